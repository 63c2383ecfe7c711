"""Values that escape from their trace: the line that made them, and what holds them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import tracegraph as tg
from tests.tracegraph.debug.marks import marked

X = jnp.ones(3)
KEPT: list[Any] = []
CACHE: dict[str, Any] = {}


@pytest.fixture(autouse=True, scope="module")
def small_heap() -> Iterator[None]:
    """What earlier tests left behind is not searched: in a long run that takes minutes."""
    gc.collect()
    gc.freeze()
    globals().update(KEPT=[], CACHE={}, HOLDER=Holder())  # to be found, they must be younger
    yield
    gc.unfreeze()


class Holder:
    """Keeps what it is given."""

    value: Any = None


HOLDER = Holder()


@pytest.fixture(autouse=True)
def _clean() -> Any:
    yield
    KEPT.clear()
    CACHE.clear()
    HOLDER.value = None


def keep_in_list(x: Any) -> Any:
    y = x * 2
    KEPT.append(jnp.sin(y))  # kept in a list
    return y


def keep_in_dict(x: Any) -> Any:
    CACHE["h"] = jnp.cos(x)  # kept in a dict
    return x


def keep_in_attribute(x: Any) -> Any:
    HOLDER.value = x + 1  # kept in an attribute
    return x


def keep_in_scan(x: Any) -> Any:
    def body(c: Any, v: Any) -> Any:
        KEPT.append(c * v)  # kept in a scan
        return c, v

    return lax.scan(body, 0.0, x)


LEAKING = {
    "kept in a list": (keep_in_list, "KEPT[0]"),
    "kept in a dict": (keep_in_dict, "CACHE['h']"),
    "kept in an attribute": (keep_in_attribute, "HOLDER.value"),
    "kept in a scan": (keep_in_scan, "KEPT[0]"),
}


def anew(function: Any) -> Any:
    """A function of its own that no cache has seen."""
    return lambda x: function(x)


def held() -> Any:
    return [*KEPT, *CACHE.values(), HOLDER.value][0]


@pytest.mark.parametrize("mark", LEAKING)
def test_use_inside_a_function_of_ours(mark: str) -> None:
    leaking, _ = LEAKING[mark]
    tg.function(anew(leaking))(X)
    escaped = held()
    with pytest.raises(jax.errors.UnexpectedTracerError) as caught:
        tg.function(lambda x: x + escaped)(X)
    note = next(note for note in caught.value.__notes__ if note.startswith("tracegraph:"))
    assert f"{__file__}:{marked(__file__, mark)}" in note
    assert "held by escaped" in note
    assert "check_leaks" in note


@pytest.mark.parametrize("mark", LEAKING)
def test_use_as_an_argument(mark: str) -> None:
    leaking, _ = LEAKING[mark]
    f = tg.function(anew(leaking))
    f(X)
    with pytest.raises(jax.errors.UnexpectedTracerError) as caught:
        tg.function(lambda x: x)(held())
    (note,) = [note for note in caught.value.__notes__ if note.startswith("tracegraph:")]
    assert f"{__file__}:{marked(__file__, mark)}" in note
    assert "held by" in note


def test_use_in_a_function_in_a_function_adds_one_note() -> None:
    tg.function(anew(keep_in_list))(X)
    inner = tg.function(lambda x: x + KEPT[0])
    with pytest.raises(jax.errors.UnexpectedTracerError) as caught:
        tg.function(lambda x: inner(x))(X)
    assert len([note for note in caught.value.__notes__ if note.startswith("tracegraph:")]) == 1


def test_the_error_is_jaxs_own() -> None:
    jax.jit(anew(keep_in_list))(X)
    escaped = held()
    messages: list[str] = []
    for decorate in (jax.jit, tg.function):
        with pytest.raises(jax.errors.UnexpectedTracerError) as caught:
            decorate(lambda x: x + escaped)(X)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("mark", LEAKING)
@pytest.mark.parametrize("decorate", [tg.function, jax.jit, lambda f: f])
def test_check_leaks_names_line_and_holder(mark: str, decorate: Any) -> None:
    leaking, holder = LEAKING[mark]
    with pytest.raises(tg.TracegraphError) as caught:
        tg.debug.check_leaks(decorate(anew(leaking)), X)
    error = caught.value
    place = f"{__file__}:{marked(__file__, mark)}"
    assert error.where.startswith(place)
    assert holder in error.found
    assert place in error.found
    assert error.hint


def test_check_leaks_after_a_call() -> None:
    f = tg.function(lambda x: keep_in_list(x))
    f(X)
    KEPT.clear()
    with pytest.raises(tg.TracegraphError, match="<lambda> lets a value escape"):
        tg.debug.check_leaks(f, X)


def test_check_leaks_finds_nothing() -> None:
    def step(x: Any, n: int, *, scale: float) -> Any:
        return jax.grad(lambda v: (v * n * scale).sum())(x)

    assert tg.debug.check_leaks(tg.function(step, static_argnums=1), X, 2, scale=2.0) is None


def test_the_users_own_error_stays() -> None:
    def step(x: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        tg.debug.check_leaks(step, X)
    with pytest.raises(jax.errors.TracerBoolConversionError):
        tg.debug.check_leaks(lambda x: x if x[0] else -x, X)
