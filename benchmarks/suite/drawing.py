"""The picture of the speed-ups: bars on a log scale, grouped, with marks for the peers.

Imports matplotlib, so only :mod:`benchmarks.suite.plot` imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib import pyplot
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.suite.plot import Bar
from benchmarks.suite.titles import TITLES

_COLORS: Final = {
    "programs": "#4e8fc0",
    "large in between": "#c98b6b",
    "ops": "#5aa982",
    "no pattern": "#9a9a9a",
}
_MARKS: Final = (("D", "#c0392b"), ("s", "#e09a1a"), ("o", "#6c3f9c"))
_TICKS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_STYLE: Final[dict[str, Any]] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and read aloud
    "svg.hashsalt": "tracegraph",
    "font.family": "sans-serif",
    "font.size": 9.0,
}
_INCH_PER_BAR: Final = 0.23


def draw(found: Sequence[Bar], file: Path, word: str) -> None:
    """Writes the picture of the bars as SVG: the same bytes for the same bars.

    Args:
        found: the bars, in their order.
        file: where to.
        word: stands in the picture's description.
    """
    groups = _groups(found)
    names = tuple(dict.fromkeys(name for bar in found for name in bar.peers))
    sizes = [len(group) + 0.5 for group in groups]
    with matplotlib.rc_context(_STYLE):
        figure, axes = pyplot.subplots(
            len(groups),
            sharex=True,
            squeeze=False,
            layout="constrained",
            figsize=(8.5, 1.2 + 0.3 * len(groups) + _INCH_PER_BAR * sum(sizes)),
            height_ratios=sizes,
        )
        for axis, group in zip(axes[:, 0], groups, strict=True):
            _draw_group(axis, group, names)
        _scale(axes[-1, 0], found)
        _legend(figure, names)
        figure.savefig(file, format="svg", metadata={"Date": None, "Description": word})
        pyplot.close(figure)


def _groups(found: Sequence[Bar]) -> list[list[Bar]]:
    names = dict.fromkeys(bar.group for bar in found)
    return [[bar for bar in found if bar.group == name] for name in names]


def _draw_group(axis: Any, group: Sequence[Bar], names: Sequence[str]) -> None:
    places = range(len(group))
    color = _COLORS.get(group[0].group, "#777777")
    axis.barh(places, [bar.speedup - 1 for bar in group], left=1, height=0.7, color=color)
    axis.axvline(1, color="#333333", linewidth=0.8)
    for place, bar in zip(places, group, strict=True):
        _figure_beside(axis, place, bar.speedup)
        for name, (mark, shade) in zip(names, _MARKS, strict=False):
            if name in bar.peers:
                axis.plot(bar.peers[name], place, mark, color=shade, markersize=4, mec="white")
    axis.set_yticks(places, [bar.name for bar in group])
    axis.set_ylim(len(group) - 0.5, -0.5)
    axis.set_title(TITLES.get(group[0].group, group[0].group), loc="left", fontsize=10)
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _figure_beside(axis: Any, place: int, speedup: float) -> None:
    """Writes the speed-up in a column at the right edge, where no mark can cover it."""
    axis.annotate(
        f"{speedup:.2f}" if speedup < 100 else f"{speedup:.0f}",
        (1.0, place),
        xycoords=("axes fraction", "data"),
        xytext=(34, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        annotation_clip=False,
    )


def _scale(axis: Any, found: Sequence[Bar]) -> None:
    """Sets the scale that all groups share, with room for every bar and mark."""
    values = [value for bar in found for value in (bar.speedup, *bar.peers.values())]
    axis.set_xscale("log")
    axis.set_xlim(min(0.8, min(values) / 1.15), max(1.25, max(values) * 1.15))
    axis.xaxis.set_major_locator(FixedLocator(_TICKS))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    axis.set_xlabel("times as fast as plain jax.jit (log scale)")


def _legend(figure: Any, names: Sequence[str]) -> None:
    if not names:
        return
    ours = Line2D([], [], color=_COLORS["programs"], linewidth=6, label="tracegraph")
    marks = [
        Line2D([], [], linestyle="", marker=mark, color=shade, mec="white", label=name)
        for name, (mark, shade) in zip(names, _MARKS, strict=False)
    ]
    figure.legend(handles=[ours, *marks], loc="outside upper center", ncols=4, frameon=False)
