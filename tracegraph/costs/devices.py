"""Devices by what their makers publish, and this one by what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from compiler.ir.errors import TracegraphError
from compiler.ir.types import DType, dtype_name

_T: Final = 1e12
_G: Final = 1e9


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """What a device can do at most.

    Attributes:
        name: what it is called.
        peaks: FLOP/s by element type, by the short names that graphs use (``bf16``, ``f32``).
        bandwidth: bytes that its main memory moves in a second.
        source: where the numbers are from.
    """

    name: str
    peaks: Mapping[str, float] = field(hash=False)
    bandwidth: float
    source: str

    def peak(self, dtype: DType) -> float:
        """FLOP/s for an element type; the highest of all where none is published for it."""
        return self.peaks.get(dtype_name(dtype)) or max(self.peaks.values())


def _published(
    name: str, bandwidth: float, source: str, peaks: dict[str, float], *names: str
) -> dict[str, DeviceSpec]:
    scaled = {dtype: value * _T for dtype, value in peaks.items()}
    spec = DeviceSpec(name, MappingProxyType(scaled), bandwidth * _G, source)
    return dict.fromkeys((name, *names), spec)


_TPU: Final = "https://cloud.google.com/tpu/docs/"
_V5P_INT8: Final = (
    "; int8: https://cloud.google.com/blog/products/ai-machine-learning/"
    "introducing-cloud-tpu-v5p-and-ai-hypercomputer"
)
_A100: Final = (
    "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/"
    "nvidia-a100-datasheet-us-nvidia-1758950-r4-web.pdf (80 GB SXM, dense)"
)
_H100: Final = "https://www.nvidia.com/en-us/data-center/h100/ (SXM; dense: half of what it gives)"


def _tpu(bf16: float, int8: float) -> dict[str, float]:
    """Its peaks: a TPU multiplies f32 in bf16 unless a higher precision is asked for."""
    return {"f32": bf16, "f16": bf16, "bf16": bf16, "i8": int8, "u8": int8}


def _gpu(f64: float, tf32: float, bf16: float, int8: float) -> dict[str, float]:
    """Its peaks with tensor cores: XLA multiplies f32 in tf32 by default."""
    return {"f64": f64, "f32": tf32, "f16": bf16, "bf16": bf16, "i8": int8, "u8": int8}


# Google's pages have given the bandwidth of v5e as 819 and as 800, that of v6e as 1640 and as 1600
# GB/s. The higher ones stand here, so that a floor stays one.
DEVICES: Final[Mapping[str, DeviceSpec]] = MappingProxyType(
    {
        **_published("TPU v4", 1200, _TPU + "v4", _tpu(275, 275)),
        **_published("TPU v5e", 819, _TPU + "v5e", _tpu(197, 393), "TPU v5 lite"),
        **_published("TPU v5p", 2765, _TPU + "v5p" + _V5P_INT8, _tpu(459, 918), "TPU v5"),
        **_published("TPU v6e", 1640, _TPU + "v6e", _tpu(918, 1836), "TPU v6 lite"),
        **_published("A100", 2039, _A100, _gpu(19.5, 156, 312, 624), "NVIDIA A100-SXM4-80GB"),
        **_published("H100", 3350, _H100, _gpu(67, 494.5, 989.5, 1979), "NVIDIA H100 80GB HBM3"),
    }
)
"""By the names that people and JAX give them."""


def device(what: str | DeviceSpec) -> DeviceSpec:
    """The description of a device: by its name, ``"cpu"`` for this machine's, or itself.

    Raises:
        TracegraphError: there is no description of that name.
    """
    if isinstance(what, DeviceSpec):
        return what
    wanted = str(what).lower()
    if wanted == "cpu":
        from tracegraph.costs.measured import this_cpu  # which needs JAX; the table does not

        return this_cpu()
    for name, spec in DEVICES.items():
        if wanted in (name.lower(), name.lower().removeprefix("tpu ")):
            return spec
    raise TracegraphError(
        f"no device is described by {what!r}",
        expected=", ".join(["cpu", *dict.fromkeys(spec.name for spec in DEVICES.values())]),
        found=repr(what),
        hint="give one of these names, or a tg.DeviceSpec with your device's own peaks",
    )
