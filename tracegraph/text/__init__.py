"""Graphs as text that people read: Python that runs, tables, and what changed between two."""

from tracegraph.text import copies as copies
