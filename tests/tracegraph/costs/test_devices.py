"""Devices by name, this one measured, and the least times on them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tracegraph as tg
from tracegraph.costs.devices import DEVICES, device
from tracegraph.costs.report import cost_report

SLOW = tg.DeviceSpec("slow", {"f32": 1e3, "bf16": 2e3}, 1e2, "made up")


def ones(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


# Tera-FLOP/s of bf16, tera-op/s of int8 and GB/s, as the page named as the source has them.
PUBLISHED = {
    "TPU v4": (275, 275, 1200),
    "TPU v5e": (197, 393, 819),
    "TPU v5p": (459, 918, 2765),
    "TPU v6e": (918, 1836, 1640),
    "A100": (312, 624, 2039),
    "H100": (1979 / 2, 3958 / 2, 3350),
}


def test_the_devices_that_are_described():
    assert {spec.name for spec in DEVICES.values()} == set(PUBLISHED)
    assert device("v5p") is device("tpu V5P") is device("TPU v5")
    assert device("TPU v6 lite") is device("TPU v6e")
    assert device("NVIDIA H100 80GB HBM3") is device("h100")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_peaks(name):
    spec, (bf16, int8, bandwidth) = device(name), PUBLISHED[name]
    assert spec.peak(np.dtype(jnp.bfloat16)) == bf16 * 1e12
    assert spec.peak(np.dtype("int8")) == int8 * 1e12
    assert spec.bandwidth == bandwidth * 1e9
    assert spec.source.startswith("https://")


def test_f32_is_what_a_device_multiplies_by_default():
    for name in PUBLISHED:
        spec = device(name)
        share = 1 if name.startswith("TPU") else 0.5  # bf16, and tf32
        expected = share * spec.peak(np.dtype(jnp.bfloat16))
        assert spec.peak(np.dtype("float32")) == pytest.approx(expected, rel=1e-3)
    assert device("a100").peak(np.dtype("float64")) == 19.5e12
    assert device("h100").peak(np.dtype("float64")) == 67e12


def test_this_cpu_is_measured_once():
    spec = device("cpu")
    assert spec is device("cpu")
    assert 1e8 < spec.peak(np.dtype("float32")) < 1e14
    assert 1e8 < spec.bandwidth < 1e13
    assert spec.source.startswith("measured")


def test_a_product_is_bound_by_compute_and_a_sum_by_memory():
    graph = tg.function(lambda x: (x @ x, x + x)).graph(ones(256, 256))
    product, sum_ = cost_report(graph, SLOW).ops
    assert (product.name, product.floor.bound) == ("dot_general", "compute")
    assert product.floor.seconds == 2 * 256**3 / 1e3
    assert (sum_.name, sum_.floor.bound) == ("add", "memory")
    assert sum_.floor.seconds == (sum_.cost.bytes) / 1e2


def test_the_element_type_chooses_the_peak():
    graph = tg.function(lambda x: x @ x).graph(ones(256, 256, dtype=jnp.bfloat16))
    (product,) = cost_report(graph, SLOW).ops
    assert product.floor.seconds == 2 * 256**3 / 2e3


def test_shares_are_of_the_times():
    report = cost_report(tg.function(lambda x: (x @ x, x + x)).graph(ones(64, 64)), SLOW)
    assert sum(row.share for row in report.ops) == pytest.approx(1)
    assert report.seconds == sum(row.floor.seconds for row in report.ops)
    assert "on slow: at least" in str(report)
    assert "1 operations bound by compute, 1 by memory (made up)" in str(report)


def test_an_unknown_device_is_one_error():
    with pytest.raises(tg.TracegraphError) as error:
        tg.function(lambda x: x + 1).cost(ones(3), device="TPU v9", xla=False)
    text = str(error.value)
    assert "no device is described by 'TPU v9'" in text
    assert "TPU v5e" in text
    assert "tg.DeviceSpec" in text
