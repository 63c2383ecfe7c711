"""Facts about graphs, computed without changing them: cost, peak memory, trip counts."""
