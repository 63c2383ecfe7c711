"""Into and out of JAX: jaxpr to graph, graph to jaxpr, and the names of JAX that may change."""
