"""Into and out of JAX: jaxpr to graph, graph to jaxpr, and the names of JAX that may change.

Importing it makes the installed JAX the host that ``compiler.ops.host`` asks.
"""

from compiler.lowering import host as host
