"""Rewriting: the one gateway through which graphs change."""
