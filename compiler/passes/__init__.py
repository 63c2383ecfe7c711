"""Passes, the pipelines that name them, and the manager that runs them."""
