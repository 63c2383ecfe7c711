"""Side-by-side measurements against plain ``jax.jit``: ratios in one run, never timed tests."""
