"""Warm starts: compiled functions on disk, for processes that come after."""
