"""What a function costs: by op, line and module, on a device, and beside XLA's own figures."""
