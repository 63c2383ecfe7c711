"""The tracegraph compiler: graph IR, rewrites, passes and lowering.

Rooms, lowest first: ``ir``, ``ops`` and ``analysis``, ``rewrite``, ``rules``, ``passes``,
``lowering``. A room imports from the rooms below it only. Nothing here imports the ``tracegraph``
front end.
"""

MARKER = "tracegraph"
"""Tells this package from another project's module of the same common name."""
