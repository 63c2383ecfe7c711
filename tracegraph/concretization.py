"""What is added to JAX's own error where Python asks a traced value for its number."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import jax

from compiler.lowering import jax_compat
from tracegraph.userlines import line_of_error

jax_compat.hide_frames(__file__)

_ERRORS: Final = (jax.errors.ConcretizationTypeError, jax.errors.TracerIntegerConversionError)
_START: Final = "tracegraph: "


@contextmanager
def ways_out(*, converted: bool) -> Generator[None]:
    """Adds a note to JAX's error: the user's line, and what to do. Other errors pass unchanged.

    Args:
        converted: whether the function's control flow is converted already.
    """
    try:
        yield
    except _ERRORS as error:
        notes: list[str] = getattr(error, "__notes__", [])
        if not any(note.startswith(_START) for note in notes):
            error.add_note(_note(line_of_error(error), converted))
        raise


def _note(line: str, converted: bool) -> str:
    place = f" at {line}" if line else ""
    what = f"{_START}Python needs the value of a traced array{place}."
    if converted:
        return (
            f"{what} This place is not converted: it is in a library or a comprehension, or it "
            "wants a number. Use jax.lax.cond, jax.lax.while_loop or jnp.where there, or make the "
            "value an argument named in static_argnames."
        )
    return (
        f"{what} Two ways out: @tg.function(autograph=True) turns if, while and for into JAX's "
        "control flow; or write jax.lax.cond, jax.lax.while_loop or jnp.where, or make the value "
        "an argument named in static_argnames."
    )
