"""The graph IR: a static dataflow graph with closed regions, use lists and a text form.

Imports numpy and ml_dtypes, never JAX.
"""

from compiler.ir.attribute_text import attribute_text
from compiler.ir.attributes import (
    NO_ATTRIBUTES,
    Attribute,
    Attributes,
    Dense,
    EnumValue,
    Opaque,
    Record,
    attribute_key,
)
from compiler.ir.builder import Builder, build_graph, finish_graph
from compiler.ir.dot import to_dot
from compiler.ir.effects import NO_EFFECTS, Effect, Effects
from compiler.ir.equality import difference, regions_equal, structurally_equal
from compiler.ir.errors import FrozenGraphError, ParseError, TracegraphError, VerificationError
from compiler.ir.graph import (
    CONSTANT,
    RETURN,
    TERMINATORS,
    YIELD,
    Graph,
    Operation,
    ParameterInfo,
    Region,
    Use,
    Value,
)
from compiler.ir.locations import Frame, Location, fuse
from compiler.ir.naming import assign_names
from compiler.ir.parser import parse_graph
from compiler.ir.printer import print_graph
from compiler.ir.types import (
    ArrayType,
    Dim,
    DType,
    ExtendedDType,
    OpaqueType,
    Shape,
    SymbolicDim,
    Type,
    dtype_from_name,
    dtype_name,
)
from compiler.ir.verifier import verify
from compiler.ir.walk import clone, clone_region, count_ops, walk, walk_regions

__all__ = [
    "CONSTANT",
    "NO_ATTRIBUTES",
    "NO_EFFECTS",
    "RETURN",
    "TERMINATORS",
    "YIELD",
    "ArrayType",
    "Attribute",
    "Attributes",
    "Builder",
    "DType",
    "Dense",
    "Dim",
    "Effect",
    "Effects",
    "EnumValue",
    "ExtendedDType",
    "Frame",
    "FrozenGraphError",
    "Graph",
    "Location",
    "Opaque",
    "OpaqueType",
    "Operation",
    "ParameterInfo",
    "ParseError",
    "Record",
    "Region",
    "Shape",
    "SymbolicDim",
    "TracegraphError",
    "Type",
    "Use",
    "Value",
    "VerificationError",
    "assign_names",
    "attribute_key",
    "attribute_text",
    "build_graph",
    "clone",
    "clone_region",
    "count_ops",
    "difference",
    "dtype_from_name",
    "dtype_name",
    "finish_graph",
    "fuse",
    "parse_graph",
    "print_graph",
    "regions_equal",
    "structurally_equal",
    "to_dot",
    "verify",
    "walk",
    "walk_regions",
]
