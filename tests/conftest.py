"""What every test may count on: jax on 8 CPU devices with x64 off, and repeatable random examples.

Owns the settings of the test process. They are made here, at import, because jax reads its
environment when it is first imported and pytest imports this file before any test module.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import hypothesis
import pytest

DEVICE_COUNT = 8

XLA_FLAGS = {
    "--xla_force_host_platform_device_count": str(DEVICE_COUNT),
    # pytest-xdist already keeps every core busy: one thread for each kernel.
    "--xla_cpu_multi_thread_eigen": "false",
}


def _prepare_environment() -> None:
    """Set what jax and numpy read from the environment; flags that the caller set are kept."""
    if "jax" in sys.modules:
        raise pytest.UsageError(
            "jax was imported before tests/conftest.py could choose its devices: "
            "a pytest plugin or a conftest.py above tests/ imports it. Import it later."
        )
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_ENABLE_X64"] = "0"
    given = os.environ.get("XLA_FLAGS", "")
    missing = [f"{flag}={value}" for flag, value in XLA_FLAGS.items() if flag not in given]
    os.environ["XLA_FLAGS"] = " ".join([*given.split(), *missing])
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")


def _register_hypothesis_profiles() -> None:
    """Load `ci`, the same examples in every run; ``--hypothesis-profile=dev`` searches wider."""
    hypothesis.settings.register_profile(
        "ci",
        derandomize=True,
        max_examples=50,
        deadline=None,
        database=None,
        print_blob=True,
        # Drawing may compile with XLA, and a loaded machine makes that slow: no fault of a test.
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.register_profile("dev", max_examples=500, deadline=None)
    hypothesis.settings.load_profile("ci")


_prepare_environment()
_register_hypothesis_profiles()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what came out into the golden files, in the place of what was expected",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--update-golden") and os.environ.get("CI"):
        raise pytest.UsageError(
            "--update-golden is refused where CI is set: a test there must not accept its own "
            "output. Update on your machine, read the diff, and commit it."
        )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def x64() -> Iterator[None]:
    """Enable jax's 64-bit types for one test, and restore what was set before."""
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)
