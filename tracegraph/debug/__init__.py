"""Looking into a function while it runs, and into what it carries along.

``tg.function(check="nan")`` raises for the first op that goes bad; the doors here answer other
questions about a function, decorated or not, for the arguments of one call.
"""

from tracegraph.debug.branches import BothBranches, Branches, both_branches
from tracegraph.debug.check_error import Range
from tracegraph.debug.constants import Constant, Constants, constants
from tracegraph.debug.leaks import check_leaks
from tracegraph.debug.watch import name, watch

__all__ = [
    "BothBranches",
    "Branches",
    "Constant",
    "Constants",
    "Range",
    "both_branches",
    "check_leaks",
    "constants",
    "name",
    "watch",
]
