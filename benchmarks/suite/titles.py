"""What the groups of the suite are called on the page and in the plot."""

from __future__ import annotations

from typing import Final

TITLES: Final = {
    "programs": "Whole programs",
    "large in between": "Large in between",
    "ops": "Single ops",
    "no pattern": "Programs without any pattern",
}
