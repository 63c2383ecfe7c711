"""What XLA made of a function: its kernels, and the ops and lines that each came from."""
