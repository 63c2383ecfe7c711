"""``python -m tracegraph`` is the command ``tracegraph``."""

from tracegraph.cli import main

if __name__ == "__main__":
    main(prog_name="tracegraph")
