"""Time, measured: what JAX's profiler saw, put on the ops and lines of a graph."""
