"""Graphs in the formats of other viewers."""
