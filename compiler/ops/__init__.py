"""What every op means: importing this package fills the table, one file per family."""

from compiler.ops import (
    barrier,
    callback,
    collective,
    control,
    elementwise,
    indexing,
    linear,
    random,
    reduction,
    shape,
)
from compiler.ops.definition import register

for _family in (
    barrier,
    callback,
    collective,
    control,
    elementwise,
    indexing,
    linear,
    random,
    reduction,
    shape,
):
    register(_family.DEFINITIONS)
