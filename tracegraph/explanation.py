"""What ``step.explain(...)`` gives back: what fired, what it was worth, and what was left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from compiler.analysis.cost import Cost
from compiler.ir.locations import Location
from compiler.rewrite.numerics import Numerics, level_name
from tracegraph.costs.rows import LineCost
from tracegraph.printed import Printed

SHOWN: Final = 8
"""So many rows of a kind are shown; the rest are counted."""

_LEAST: Final = 0.001


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule or kernel at one line of the user's code.

    Attributes:
        rule: its name.
        law: what it says.
        numerics: its class.
        location: the line.
        times: how often it fired there.
        saved: the score it saved there by the cost model; for a kernel 0.
        kernel: the platforms it is for, if it is a kernel; empty for a rule.
        measured: how many times faster a kernel was where it was measured, least and most.
    """

    rule: str
    law: str
    numerics: Numerics
    location: Location
    times: int
    saved: int
    kernel: tuple[str, ...] = ()
    measured: tuple[float, float] = (1.0, 1.0)

    def line(self, whole: int) -> str:
        """The row as text; ``whole`` is the score of the function as it was written."""
        often = f" ({self.times} times)" if self.times > 1 else ""
        return f"  {self.rule}{often} at {self.location}: {self.law}; {self._worth(whole)}"

    def _worth(self, whole: int) -> str:
        if self.kernel:
            least, most = self.measured
            span = f"{least:.1f}" if least == most else f"{least:.1f} to {most:.1f}"
            return f"on {', '.join(self.kernel)}, measured {span} times faster"
        share = self.saved / whole if whole else 0.0
        return (
            f"saves {_part(share)} of the whole by the model" if self.saved > 0 else "a normal form"
        )


@dataclass(frozen=True, slots=True)
class NextLevel:
    """What a freer numerics level would add.

    Attributes:
        numerics: the level.
        fired: what would fire that does not now, the most valuable first.
        flops: the FLOPs of the function at that level.
    """

    numerics: Numerics
    fired: tuple[Fired, ...]
    flops: int

    def text(self, flops: int) -> str:
        """One sentence; ``flops`` are those at the level in force."""
        name = level_name(self.numerics)
        if not self.fired:
            return f"{name} would add nothing"
        first = self.fired[0]
        share = 1 - self.flops / flops if flops else 0.0
        rules = ", ".join(dict.fromkeys(one.rule for one in self.fired))
        worth = f"save {_part(share)} of the FLOPs" if share > 0 else "save no FLOPs"
        return f"{name} would {worth} at {first.location} ({rules})"


@dataclass(frozen=True, slots=True)
class Explanation(Printed):
    """What became of a function for one signature. ``print`` shows it.

    Attributes:
        function: the function's name.
        numerics: the level in force.
        ops: operations before and after all passes, kernels not counted.
        before: the cost of the function as it was written.
        after: the cost after the rules.
        fired: rules and kernels by line, the most valuable first.
        levels: what each freer level would add.
        misses: rules that came near to firing and did not, each with the line and the reason.
        whole: the score of the function as it was written, of which rows say what share they saved.
        tuned: what was chosen by measurement, in words; empty if nothing was.
        what: what kind of function it is, in a sentence.
        lines: its heaviest lines after the rules, the heaviest first.
        advice: what to change, a sentence each.
        compiling: what it took before XLA and why, in words.
        donated: what became of each argument with ``donate_replaced``, in words.
        told: what XLA is told of the program, in words.
    """

    function: str
    numerics: Numerics
    ops: tuple[int, int]
    before: Cost
    after: Cost
    fired: tuple[Fired, ...]
    levels: tuple[NextLevel, ...]
    misses: tuple[str, ...]
    whole: int
    tuned: str = ""
    what: str = ""
    lines: tuple[LineCost, ...] = ()
    advice: tuple[str, ...] = ()
    compiling: str = ""
    donated: str = ""
    told: str = ""

    def __rich__(self) -> RenderableType:
        """The text, as a notebook shows it."""
        return Text(str(self))

    def __str__(self) -> str:
        lines = [
            f"@{self.function}, numerics {level_name(self.numerics)}: {self.ops[0]} operations "
            f"became {self.ops[1]}",
            f"FLOPs {_change(self.before.flops, self.after.flops)}, "
            f"bytes {_change(self.before.bytes, self.after.bytes)} as if nothing were fused",
        ]
        lines += [f"tuned: {self.tuned}"] if self.tuned else []
        lines += [f"donated: {self.donated}"] if self.donated else []
        lines += [f"XLA is told: {self.told}"] if self.told else []
        lines += [self.what] if self.what else []
        lines += _section("heaviest lines:", [_line(line) for line in self.lines])
        lines += _section("fired:", [one.line(self.whole) for one in self.fired])
        lines += _section(
            "other levels:", [f"  {level.text(self.after.flops)}" for level in self.levels]
        )
        lines += _section("nearly fired:", [f"  {miss}" for miss in self.misses])
        lines += _section("to change:", [f"  {advice}" for advice in self.advice])
        lines += [f"compiling: {self.compiling}"] if self.compiling else []
        return "\n".join(lines)


def _part(share: float) -> str:
    """A share in words that never say that something is nothing."""
    return f"{share:.1%}" if share >= _LEAST else f"under {_LEAST:.1%}"


def _line(line: LineCost) -> str:
    place = f"{line.file}:{line.line}" if line.file else "unknown lines"
    return f"  {line.share:.1%} {place} {line.source}".rstrip()


def _section(title: str, rows: Sequence[str]) -> list[str]:
    if not rows:
        return []
    rest = len(rows) - SHOWN
    return [title, *rows[:SHOWN], *([f"  and {rest} more"] if rest > 0 else [])]


def _change(before: int, after: int) -> str:
    if before == after or not before:
        return f"{before:,}"
    return f"{before:,} to {after:,} ({after / before - 1:+.1%})"
