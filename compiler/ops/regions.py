"""How values run through ops with regions: which slots stand or fall together.

A region op is a bundle of *lanes*. The carry of a scan is one lane: an operand, a region
parameter, a yielded value and a result, round in a loop. Dead code elimination follows the lanes to
see what is live, and drops whole lanes; it knows no op by name. An op with attributes or effects
that this module does not know has no lanes, and is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final, NamedTuple

from compiler.ir.attributes import Attribute, Attributes
from compiler.ir.graph import Operation, Region, Value


class Lane(NamedTuple):
    """Slots of a region op that are only ever kept or dropped together.

    A value enters at the operand, or is yielded inside; it arrives at the parameters and the
    result.

    Attributes:
        operand: the value that the op takes for this lane.
        parameters: where it arrives inside the regions.
        outputs: the terminators and slots that yield it.
        result: the result it becomes.
        loops: whether what is yielded also arrives at the parameters, and the operand at the
            result.
    """

    operand: int | None = None
    parameters: tuple[Value, ...] = ()
    outputs: tuple[tuple[Region, int], ...] = ()
    result: int | None = None
    loops: bool = False

    def arrivals(self, op: Operation) -> tuple[Value, ...]:
        """The values that readers see: the lane is needed if one of them is."""
        result = () if self.result is None else (op.results[self.result],)
        return (*result, *self.parameters)

    def sources(self, op: Operation, arrival: Value) -> tuple[Value, ...]:
        """The values that may arrive there."""
        operand = () if self.operand is None else (op.operands[self.operand],)
        yielded = tuple(region.outputs[slot] for region, slot in self.outputs)
        if self.loops:
            return (*operand, *yielded)
        return yielded if arrival.owner is op else operand


@dataclass(frozen=True, slots=True)
class Lanes:
    """All the slots of one region op.

    Attributes:
        lanes: the slots that may be dropped, by lane.
        controls: values that the op reads whenever it runs, inside or outside; never dropped.
    """

    lanes: tuple[Lane, ...]
    controls: tuple[Value, ...] = ()


def lanes_of(op: Operation) -> Lanes | None:
    """The lanes of a region op; None if it must be left as it is."""
    rule = _RULES.get(op.name)
    if rule is None or not op.regions or not _is_known(op, rule):
        return None
    return rule.lanes(op)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What is left of a region op, slot by slot, when some of its lanes go.

    Attributes:
        operands: which operands stay.
        results: which results stay.
        parameters: which parameters stay, by region.
        outputs: which yielded values stay, by region.
        attributes: the op's attributes, lists and counts cut to fit.
    """

    operands: tuple[bool, ...]
    results: tuple[bool, ...]
    parameters: tuple[tuple[bool, ...], ...]
    outputs: tuple[tuple[bool, ...], ...]
    attributes: Attributes


def narrowing(op: Operation, lanes: Sequence[Lane], needed: Sequence[bool]) -> Narrowing:
    """What is left of the op when only the flagged lanes stay."""
    gone = [lane for lane, keep in zip(lanes, needed, strict=True) if not keep]
    gone_operands = {lane.operand for lane in gone}
    gone_results = {lane.result for lane in gone}
    gone_values = {value for lane in gone for value in lane.parameters}
    gone_outputs = {slot for lane in gone for slot in lane.outputs}
    operands = tuple(i not in gone_operands for i in range(len(op.operands)))
    results = tuple(i not in gone_results for i in range(len(op.results)))
    return Narrowing(
        operands,
        results,
        tuple(tuple(v not in gone_values for v in region.parameters) for region in op.regions),
        tuple(
            tuple((region, i) not in gone_outputs for i in range(len(region.outputs)))
            for region in op.regions
        ),
        _narrowed_attributes(op, operands, results),
    )


def _narrowed_attributes(
    op: Operation, operands: Sequence[bool], results: Sequence[bool]
) -> Attributes:
    rule = _RULES[op.name]
    new = dict(op.attributes)
    for names, keep in ((rule.per_operand, operands), (rule.per_result, results)):
        for name in names & new.keys():
            new[name] = _cut(new[name], keep)
    start = 0
    for name in rule.counts:
        count = _integer(op, name)
        new[name] = sum(operands[start : start + count])
        start += count
    return new


@dataclass(frozen=True, slots=True)
class _Rule:
    """What is known of one kind of region op.

    Attributes:
        lanes: finds the lanes of an op.
        per_operand: attributes with one entry for each operand.
        per_result: attributes with one entry for each result.
        counts: attributes that count a stretch of operands, in the operands' order.
        others: attributes that do not depend on the number of operands or results.
    """

    lanes: Callable[[Operation], Lanes | None]
    per_operand: frozenset[str] = frozenset()
    per_result: frozenset[str] = frozenset()
    counts: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()


def _is_known(op: Operation, rule: _Rule) -> bool:
    """Whether every attribute and effect is understood: unknown means hands off."""
    if any(effect.operand is not None for effect in op.effects):
        return False
    listed = {*rule.per_operand, *rule.per_result, *rule.counts, *rule.others}
    if any(name not in listed and not name.startswith("tg.") for name in op.attributes):
        return False
    lists = [(rule.per_operand, op.operands), (rule.per_result, op.results)]
    return all(isinstance(op.attributes.get(name), int) for name in rule.counts) and all(
        _is_list(op.attributes[name], len(slots))
        for names, slots in lists
        for name in names & op.attributes.keys()
    )


def _is_list(value: Attribute, length: int) -> bool:
    return isinstance(value, tuple) and len(value) == length


def _cut(value: Attribute, keep: Sequence[bool]) -> Attribute:
    return tuple(compress(value, keep)) if isinstance(value, tuple) else value


def _integer(op: Operation, name: str) -> int:
    value = op.attributes[name]
    return value if isinstance(value, int) else 0


def _call_lanes(op: Operation) -> Lanes | None:
    (region,) = op.regions
    if len(region.parameters) != len(op.operands) or len(region.outputs) != len(op.results):
        return None
    inward = [Lane(i, (value,)) for i, value in enumerate(region.parameters)]
    outward = [Lane(outputs=((region, i),), result=i) for i in range(len(op.results))]
    return Lanes((*inward, *outward))


def _remat_lanes(op: Operation) -> Lanes | None:
    if not isinstance(op.attributes.get("prevent_cse", False), bool):
        return None
    return _call_lanes(op)


def _cond_lanes(op: Operation) -> Lanes | None:
    inward = [
        Lane(i + 1, tuple(region.parameters[i] for region in op.regions))
        for i in range(len(op.operands) - 1)
    ]
    outward = [
        Lane(outputs=tuple((region, i) for region in op.regions), result=i)
        for i in range(len(op.results))
    ]
    return Lanes((*inward, *outward), controls=op.operands[:1])


def _while_lanes(op: Operation) -> Lanes | None:
    cond, body = op.region("cond_jaxpr"), op.region("body_jaxpr")
    in_cond, in_body = _integer(op, "cond_nconsts"), _integer(op, "body_nconsts")
    first = in_cond + in_body
    constants = [
        *(Lane(i, (cond.parameters[i],)) for i in range(in_cond)),
        *(Lane(in_cond + i, (body.parameters[i],)) for i in range(in_body)),
    ]
    carries = [
        Lane(
            first + i,
            (cond.parameters[in_cond + i], body.parameters[in_body + i]),
            ((body, i),),
            i,
            loops=True,
        )
        for i in range(len(op.results))
    ]
    return Lanes((*constants, *carries), controls=cond.outputs)


def _scan_lanes(op: Operation) -> Lanes | None:
    (body,) = op.regions
    constants, carried = _integer(op, "num_consts"), _integer(op, "num_carry")
    first_slice = constants + carried
    inward = [
        Lane(i, (value,))
        for i, value in enumerate(body.parameters)
        if not constants <= i < first_slice
    ]
    carries = [
        Lane(constants + i, (body.parameters[constants + i],), ((body, i),), i, loops=True)
        for i in range(carried)
    ]
    stacked = [Lane(outputs=((body, i),), result=i) for i in range(carried, len(op.results))]
    return Lanes((*inward, *carries, *stacked))


_JIT: Final = _Rule(
    _call_lanes,
    per_operand=frozenset({"donated_invars", "in_shardings", "in_layouts"}),
    per_result=frozenset({"out_shardings", "out_layouts"}),
    others=frozenset(
        {"name", "keep_unused", "inline", "compiler_options_kvs", "ctx_mesh", "resource_env"}
    ),
)
_CALL: Final = _Rule(_call_lanes, others=frozenset({"name"}))
_REMAT: Final = _Rule(
    _remat_lanes, others=frozenset({"prevent_cse", "differentiated", "policy", "name"})
)
_RULES: Final[Mapping[str, _Rule]] = {
    "jit": _JIT,
    "pjit": _JIT,
    "closed_call": _CALL,
    "core_call": _CALL,
    "remat": _REMAT,
    "remat2": _REMAT,
    "checkpoint": _REMAT,
    "cond": _Rule(_cond_lanes),
    "while": _Rule(_while_lanes, counts=("cond_nconsts", "body_nconsts")),
    "scan": _Rule(
        _scan_lanes,
        per_operand=frozenset({"linear"}),
        counts=("num_consts", "num_carry"),
        others=frozenset({"length", "reverse", "unroll", "_split_transpose"}),
    ),
}
"""Custom derivative rules, mapped regions and solvers are left out on purpose: functions that no
graph shows expect their arity."""
