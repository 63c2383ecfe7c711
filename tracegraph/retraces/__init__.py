"""Every trace of a function with its cause, in the caller's terms, and budgets for them."""
