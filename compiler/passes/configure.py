"""Sets a numerics level, a user's own rules and the rolling of layers on a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from compiler.passes.base import Pass
from compiler.passes.cse import CommonSubexpressionElimination
from compiler.passes.dce import DeadCodeElimination
from compiler.passes.inline import InlineCalls
from compiler.passes.lower_platform import LowerPlatform
from compiler.passes.pipeline import Pipeline, Repeat
from compiler.passes.rewrite import Rewrite
from compiler.passes.roll_layers import RollLayers
from compiler.passes.spread import SpreadDots
from compiler.passes.tile import TileRows
from compiler.rewrite.numerics import Numerics, level_name, parse_level
from compiler.rewrite.rule import Rule

_LEVELLING: Final = (InlineCalls, CommonSubexpressionElimination, DeadCodeElimination)


def configured(
    pipeline: Pipeline, *, numerics: str | Numerics | None = None, rules: Sequence[Rule] = ()
) -> Pipeline:
    """The pipeline with its ``rewrite`` passes at a level and with further rules.

    A pipeline without such a pass gets one at its end, for the further rules alone.

    Args:
        pipeline: what to change; it is itself left as it is.
        numerics: the level; None to leave the passes at theirs.
        rules: rules to be tried before all others.

    Raises:
        TracegraphError: there is no such level.
    """
    level = None if numerics is None else level_name(parse_level(numerics))
    changed = _configured(pipeline, level, tuple(rules))
    if not rules or any(isinstance(step, Rewrite) for step in changed.passes()):
        return changed
    own = Rewrite(rules="", extra=tuple(rules))
    last = own if level is None else replace(own, numerics=level)
    return Pipeline((*changed.steps, last, DeadCodeElimination()))


def rolling(pipeline: Pipeline, over_ms: int = 0) -> Pipeline:
    """The pipeline with ``roll-layers`` in it, as early as layers look alike.

    That is after calls are taken apart and equal ops merged, and before anything that treats the
    first or the last layer in a way of its own.

    Args:
        pipeline: what to change; it is itself left as it is.
        over_ms: graphs that compile faster are left as they are.
    """
    steps = pipeline.steps
    if any(isinstance(step, RollLayers) for step in pipeline.passes()):
        return pipeline
    first = next(
        (i for i, step in enumerate(steps) if not isinstance(step, _LEVELLING)), len(steps)
    )
    return Pipeline((*steps[:first], RollLayers(over_ms=over_ms), *steps[first:]))


def transparent_form(pipeline: Pipeline) -> Pipeline:
    """What of a pipeline may run where somebody outside differentiates or batches the function.

    Passes that are not transparent are left out, calls with derivative rules of their own stay
    calls, and only transparent rules fire.
    """
    steps = (_transparent(step) for step in pipeline.steps)
    return Pipeline(tuple(step for step in steps if step is not None))


def _transparent(step: Pass | Repeat) -> Pass | Repeat | None:
    if isinstance(step, Repeat):
        return replace(step, body=transparent_form(step.body))
    if isinstance(step, Rewrite):
        return replace(step, transparent=True)
    if isinstance(step, InlineCalls):
        return replace(step, derivatives=False)
    return step if step.keeps_derivatives else None


def _configured(pipeline: Pipeline, numerics: str | None, rules: tuple[Rule, ...]) -> Pipeline:
    return Pipeline(tuple(_step(step, numerics, rules) for step in pipeline.steps))


def _step(step: Pass | Repeat, numerics: str | None, rules: tuple[Rule, ...]) -> Pass | Repeat:
    if isinstance(step, Repeat):
        return replace(step, body=_configured(step.body, numerics, rules))
    level = numerics
    if isinstance(step, LowerPlatform | SpreadDots | TileRows) and level is not None:
        return replace(step, numerics=level)
    if not isinstance(step, Rewrite):
        return step
    level = step.numerics if level is None else level
    return replace(step, numerics=level, extra=(*rules, *step.extra))
