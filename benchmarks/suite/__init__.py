"""The speed suite: whole programs, single ops and programs without any pattern, against jax.jit."""
