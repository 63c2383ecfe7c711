"""Fingerprints of meshes and devices, of which shardings are made."""

from __future__ import annotations

from typing import Any

import jax

from tracegraph.warm.digester import Digester


def add_device(digester: Digester, value: Any, _: str) -> None:
    """Adds a device: which one, and of what kind."""
    digester.mark("device", f"{value.id} {value.platform} {value.device_kind}")


def add_mesh(digester: Digester, value: jax.sharding.Mesh, path: str) -> None:
    """Adds a mesh: its axes, its shape and its devices in their order."""
    _add_axes(digester, value, path)
    devices: Any = value.devices
    digester.mark("shape", devices.shape)
    for device in devices.flat:
        digester.add(device, f"a device of {path}")


def add_abstract_mesh(digester: Digester, value: Any, path: str) -> None:
    """Adds a mesh without devices: its axes, its shape and the kind of devices, if it says one."""
    _add_axes(digester, value, path)
    digester.mark("shape", value.axis_sizes)
    digester.mark("kind", getattr(value, "abstract_device", None))


def _add_axes(digester: Digester, value: Any, path: str) -> None:
    digester.mark("mesh", type(value).__name__)
    digester.add(value.axis_names, f"the axes of {path}")
    digester.mark("axis types", " ".join(map(str, value.axis_types)))
