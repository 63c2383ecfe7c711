"""tracegraph at its default numerics, measured alone."""

from __future__ import annotations

import tracegraph as tg
from benchmarks.peers.jax_models import peer
from benchmarks.peers.worker import main

if __name__ == "__main__":
    main(peer("tracegraph", tg.function))
