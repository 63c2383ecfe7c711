"""Plain ``jax.jit``, measured alone."""

from __future__ import annotations

import jax

from benchmarks.peers.jax_models import peer
from benchmarks.peers.worker import main

if __name__ == "__main__":
    main(peer("jax.jit", jax.jit))
