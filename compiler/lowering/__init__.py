"""Into and out of JAX: jaxpr to graph, graph to jaxpr, and the names of JAX that may change.

Importing it makes the installed JAX the host that ``compiler.ops.host`` asks, and offers the
kernels to the pass ``lower-platform``, and the loops of ``tile-rows``.
"""

from compiler.lowering import host as host
from compiler.lowering import kernels as kernels
from compiler.lowering import tiling as tiling
