"""Looking into a function while it runs."""
