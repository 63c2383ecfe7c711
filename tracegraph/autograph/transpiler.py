"""A function's definition in terms of operators: the engine's converters, one after the other."""

# The engine is not annotated.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

import ast
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from malt.converters import (
    break_statements,
    call_trees,
    conditional_expressions,
    continue_statements,
    control_flow,
    functions,
    logical_expressions,
    return_statements,
    variables,
)
from malt.core import converter
from malt.pyct import anno, cfg, naming, origin_info, qual_names, transformer
from malt.pyct.static_analysis import activity, liveness, reaching_definitions, reaching_fndefs

from tracegraph.autograph.prepare import operator_call

_PLACED_CALLS = {"breakpoint", "pdb.set_trace", "ipdb.set_trace", "globals"}
"""Calls that look at the frame they are made from, and stay where they are."""


_NO_FEATURES: Any = None


@dataclass(frozen=True)
class Converted:
    """A converted definition, and the names that the engine has made in it."""

    node: ast.FunctionDef
    made: Collection[str]


class _Options(converter.ConversionOptions):
    """The engine's options, of which converted code needs none."""

    def to_ast(self) -> ast.expr:
        return ast.Constant(None)

    def call_options(self) -> _Options:
        return self


def transpile(node: ast.FunctionDef, namespace: dict[str, Any]) -> Converted:
    """Converts a prepared definition; it gets a name of its own.

    Args:
        node: the definition, with lines and columns.
        namespace: the names that it sees from outside, which no name that is made may hide.
    """
    _remember_places(node)
    name = node.name
    namer = naming.Namer(namespace)
    entity = transformer.EntityInfo(name, "", "", (), namespace)
    options = _Options(recursive=True, user_requested=True, optional_features=_NO_FEATURES)
    context = transformer.Context(entity, namer, converter.ProgramContext(options))
    converted: Any = _converted(node, context)
    converted.name = namer.new_symbol(f"ag__{name}", ())
    return Converted(converted, frozenset(namer.generated_names))


def _converted(node: Any, context: Any) -> Any:
    node = _analysed(node, context)
    node = functions.transform(node, context)
    node = break_statements.transform(node, context)
    node = continue_statements.transform(node, context)
    node = return_statements.transform(node, context)
    node = _ReturnGuards(context.namer.generated_names).visit(node)
    node = _Calls(context).visit(qual_names.resolve(node))
    node = _Blocks(context).visit(_flow_analysed(node, context))
    node = _Conditions(context).visit(node)
    node = _Logic(context).visit(node)
    return variables.transform(node, context)


def _analysed(node: Any, context: Any) -> Any:
    graphs = cfg.build(node)
    node = activity.resolve(qual_names.resolve(node), context, None)
    node = reaching_definitions.resolve(node, context, graphs)
    anno.dup(node, {anno.Static.DEFINITIONS: anno.Static.ORIG_DEFINITIONS})
    return node


def _flow_analysed(node: Any, context: Any) -> Any:
    graphs = cfg.build(node)
    node = activity.resolve(qual_names.resolve(node), context, None)
    node = reaching_definitions.resolve(node, context, graphs)
    node = reaching_fndefs.resolve(node, context, graphs)
    return _Liveness(context, graphs, include_annotations=True).visit(node)


class _Analyzer(liveness.Analyzer):
    """A variable that a lambda reads is alive for as long as the lambda may be called."""

    def lamba_check(self, fn_ast_node: Any) -> bool:
        """Whether a function is called where it is defined, and never later: of none is that so."""
        del fn_ast_node
        return False


class _Liveness(liveness.TreeAnnotator):
    """Which variables are alive before and after each statement."""

    def _analyze_function(self, node: Any, is_lambda: bool) -> Any:
        del is_lambda
        outer, analyzer = self.current_analyzer, _Analyzer(self.graphs[node], True)
        analyzer.visit_reverse()
        self.current_analyzer = analyzer
        node = self.generic_visit(node)
        self.current_analyzer = outer
        return node


class _ReturnGuards(ast.NodeTransformer):
    """Says of the engine's tests of "has not returned yet" that they are such."""

    def __init__(self, made: Collection[str]) -> None:
        self._made = made

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        test = node.test
        if isinstance(test, ast.UnaryOp) and isinstance(test.operand, ast.Name):
            name = test.operand.id
            if name.startswith("do_return") and name in self._made:
                node.test = operator_call("not_returned", test.operand)
        return node


class _Calls(call_trees.CallTreeTransformer):
    """Calls, at their own place."""

    def visit_Call(self, node: Any) -> Any:  # noqa: N802 - the engine's name
        name = str(anno.getanno(node.func, anno.Basic.QN, default=""))
        if name in _PLACED_CALLS:
            return self.generic_visit(node)
        new = super().visit_Call(node)
        anno.copyanno(node, new, anno.Basic.ORIGIN)
        return new


class _Blocks(control_flow.ControlFlowTransformer):
    """Branches and loops; what belongs to a scope around may always be read afterwards."""

    def _get_block_vars(self, node: Any, modified: Any) -> Any:
        names, undefined, outputs = super()._get_block_vars(node, modified)
        scope = self.state[control_flow._Function].scope  # pyright: ignore[reportPrivateUsage]
        outer = scope.nonlocals | scope.globals
        seen = [name for name in names[outputs:] if name in outer]
        unseen = [name for name in names[outputs:] if name not in outer]
        return [*names[:outputs], *seen, *unseen], undefined, outputs + len(seen)


class _Conditions(conditional_expressions.ConditionalExpressionTransformer):
    """Conditional expressions, those inside others too."""

    def visit_IfExp(self, node: Any) -> Any:  # noqa: N802 - the engine's name
        visited: Any = self.generic_visit(node)
        return super().visit_IfExp(visited)


class _Logic(logical_expressions.LogicalExpressionTransformer):
    """Logic, each operand of a chained comparison evaluated once."""

    def visit_Compare(self, node: Any) -> Any:  # noqa: N802 - the engine's name
        if len(node.ops) == 1:
            return super().visit_Compare(node)
        node = self.generic_visit(node)
        names = [ast.Constant(type(each).__name__) for each in node.ops]
        operands = [self._as_lambda(each) for each in node.comparators]
        names_tuple = ast.Tuple(list(names), ast.Load())
        new = operator_call("compare", node.left, names_tuple, ast.Tuple(operands, ast.Load()))
        anno.copyanno(node, new, anno.Basic.ORIGIN)
        return new


def _remember_places(definition: ast.FunctionDef) -> None:
    """Annotates every node with its place, which the engine keeps through its copies."""
    for node in ast.walk(definition):
        if isinstance(node, ast.stmt | ast.expr | ast.excepthandler | ast.arg | ast.keyword):
            location = origin_info.Location("", node.lineno, node.col_offset)
            place = origin_info.OriginInfo(location, definition.name, "", _end(node))
            anno.setanno(node, anno.Basic.ORIGIN, place)


def _end(node: Any) -> tuple[int, int]:
    """Where a node ends; a compound statement ends with its head."""
    head = getattr(node, "test", None) or getattr(node, "iter", None) or node
    if isinstance(node, ast.FunctionDef | ast.With | ast.Try):
        return node.lineno, node.col_offset
    return head.end_lineno or head.lineno, head.end_col_offset or head.col_offset


def place_of(node: ast.AST) -> tuple[int, int, int, int] | None:
    """Line, column, last line and last column of what a node was made from, where that is known."""
    place: Any = anno.getanno(node, anno.Basic.ORIGIN, default=None)
    if place is None:
        return None
    return place.loc.lineno, place.loc.col_offset, *place.comment
