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


def test_the_published_peaks():
    assert device("TPU v5e").peak(np.dtype(jnp.bfloat16)) == 197e12
    assert device("v5p").bandwidth == 2765e9
    assert device("a100").peak(np.dtype("float64")) == 19.5e12
    assert device("TPU v6 lite") is device("TPU v6e")
    assert {spec.name for spec in DEVICES.values()} == {
        *("TPU v4", "TPU v5e", "TPU v5p", "TPU v6e", "A100", "H100")
    }
    assert all(spec.source.startswith("https://") for spec in DEVICES.values())


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
