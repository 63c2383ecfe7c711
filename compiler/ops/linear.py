"""Products of arrays, Fourier transforms and matrix decompositions."""

from __future__ import annotations

from typing import Final

from compiler.ops.definition import OpDef

FAMILY: Final = "linear algebra"

_NAMES: Final = [
    "cholesky",
    "cholesky_update",
    "conv_general_dilated",
    "dot_general",
    "eig",
    "eigh",
    "eigh_jacobi",
    "fft",
    "geqp3",
    "geqrf",
    "hessenberg",
    "householder_product",
    "lu",
    "lu_pivots_to_permutation",
    "ormqr",
    "qr",
    "ragged_dot",
    "ragged_dot_general",
    "scaled_dot",
    "schur",
    "svd",
    "symmetric_product",
    "triangular_solve",
    "tridiagonal",
    "tridiagonal_solve",
]

_OPERANDS: Final = {"conv_general_dilated": 2, "dot_general": 2}

DEFINITIONS: Final = tuple(OpDef(name, FAMILY, operands=_OPERANDS.get(name)) for name in _NAMES)
