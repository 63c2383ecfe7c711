"""State: flax nnx modules that a function takes or captures, and updates in place."""
