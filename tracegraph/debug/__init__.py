"""Looking into a function while it runs, and into what it carries along.

``tg.function(check="nan")`` raises for the first op that goes bad; the doors here answer other
questions about a function, decorated or not, for the arguments of one call.
"""

from tracegraph.debug.watch import name, watch

__all__ = ["name", "watch"]
