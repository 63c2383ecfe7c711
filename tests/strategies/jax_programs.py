"""Random JAX programs: straight lines and control flow over a pool of small arrays.

A program is a list of steps. Each step applies one operation to values of the pool and adds its
result, so every drawn list of steps is a program that runs. All values broadcast against each
other: their shapes are (), (3,) and (2, 3). Drawing yields plain data, so that a failing program
prints as data, shrinks, and runs again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st
from jax import lax

Body = Callable[..., Any]

EDGES: Final = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    3.0,
    -7.5,
    float("inf"),
    -float("inf"),
    float("nan"),
    1e-40,
)
INTEGERS: Final = (0, 1, -1, 2, 7, -128, 2**31 - 1, -(2**31))
DTYPES: Final = ("float32", "float16", "bfloat16", "int32", "int8", "uint32", "bool")
SHAPES: Final = ((), (3,), (2, 3))


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        name: a key of ``OPERATIONS`` or ``CONTROL``.
        operands: places in the pool, modulo its size, newest first.
        number: a small number that operations with a choice take it from.
        bodies: the inner programs of control flow.
    """

    name: str
    operands: tuple[int, ...]
    number: int
    bodies: tuple[tuple[Step, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class RandomProgram:
    """A function from arrays to a tuple of arrays, with inputs to run it on."""

    steps: tuple[Step, ...]
    results: tuple[int, ...]
    inputs: tuple[Any, ...]

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """Runs the program on traced or concrete arrays."""
        pool = run(self.steps, inputs)
        return tuple(pool[-1 - place % len(pool)] for place in self.results)


def run(steps: Sequence[Step], inputs: Sequence[Any]) -> list[Any]:
    """The pool after all steps, the inputs first."""
    pool = list(inputs)
    for step in steps:
        x, y, z = (pool[-1 - place % len(pool)] for place in step.operands)
        if step.bodies:
            bodies = [_as_body(body, (y, z)) for body in step.bodies]
            pool.append(CONTROL[step.name](step.number, x, *bodies))
        else:
            pool.append(OPERATIONS[step.name](step.number, x, y, z))
    return pool


def _as_body(steps: Sequence[Step], closure: Sequence[Any]) -> Body:
    """An inner program as a function of a float vector that closes over values outside."""
    return lambda x: row(run(steps, [*closure, x])[-1])


def real(x: Any) -> Any:
    """The value as float32, unless it is a float already."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.float32)


def number(x: Any) -> Any:
    """The value, but booleans as integers: what takes no booleans takes it."""
    x = jnp.asarray(x)
    return x.astype(jnp.int32) if x.dtype == jnp.bool_ else x


def whole(x: Any) -> Any:
    """The value as an integer; floats by their bits, because casting nan or inf is not defined."""
    x = jnp.asarray(x)
    if jnp.issubdtype(x.dtype, jnp.floating):
        return lax.bitcast_convert_type(x.astype(jnp.float32), jnp.int32)
    return x.astype(jnp.int32)


def row(x: Any) -> Any:
    """The value as a float32 vector."""
    x = real(x).astype(jnp.float32)
    return x[0] if x.ndim == 2 else jnp.broadcast_to(x, (3,))


def table(x: Any) -> Any:
    """The value as a float32 matrix."""
    return jnp.broadcast_to(real(x).astype(jnp.float32), (2, 3))


def truth(x: Any) -> Any:
    """The value as one boolean."""
    return real(x).sum() > 0


def index(x: Any) -> Any:
    """The value as one index, most often in range, sometimes not."""
    return (whole(x) % 5).sum() - 1


def pick(number: int, choices: Sequence[Any]) -> Any:
    """One of the choices."""
    return choices[number % len(choices)]


def cast(x: Any, dtype: str) -> Any:
    """The value in another element type, where that is defined for every value."""
    x = jnp.asarray(x)
    if jnp.issubdtype(x.dtype, jnp.floating) and "int" in dtype:
        return jnp.where(jnp.abs(x) < 100, jnp.trunc(x), 0).astype("int32").astype(dtype)
    return x.astype(dtype)


def key(number: int, x: Any) -> Any:
    """A key that depends on the program and on a value of it."""
    return jax.random.fold_in(jax.random.key(number), whole(x).sum().astype(jnp.uint32))


SMOOTH: Final[dict[str, Callable[..., Any]]] = {
    "add": lambda n, x, y, z: x + y,
    "sub": lambda n, x, y, z: number(x) - number(y),
    "mul": lambda n, x, y, z: x * y,
    "sin": lambda n, x, y, z: jnp.sin(real(x)),
    "tanh": lambda n, x, y, z: jnp.tanh(real(x)),
    "logistic": lambda n, x, y, z: jax.nn.sigmoid(real(x)),
    "softmax": lambda n, x, y, z: jax.nn.softmax(row(x)),
    "relu": lambda n, x, y, z: jax.nn.relu(x),
    "neg": lambda n, x, y, z: -real(x),
    "scale": lambda n, x, y, z: x * pick(n, (2, 0.5, 1, -1.0, 1.5)),
    "shift": lambda n, x, y, z: x + pick(n, (0, 1, 0.0, -0.0, -2.5)),
    "where": lambda n, x, y, z: jnp.where(real(z) > 0, x, y),
    "sum": lambda n, x, y, z: pick(n, (table(x).sum(0), real(x).sum(), table(x).mean())),
    "dot": lambda n, x, y, z: (table(x).T @ table(y))[n % 3],
    "einsum": lambda n, x, y, z: jnp.einsum("ij,ij->j", table(x), table(y)),
    "transpose": lambda n, x, y, z: table(x).T.reshape(2, 3),
    "transpose_twice": lambda n, x, y, z: table(x).T.T,
    "reverse": lambda n, x, y, z: row(x)[::-1],
    "roll": lambda n, x, y, z: jnp.roll(table(x), n, axis=n % 2),
    "concatenate": lambda n, x, y, z: jnp.concatenate([row(x)[1:], row(y)[:1]]),
    "pad": lambda n, x, y, z: jnp.pad(row(x), 1)[n % 3 : n % 3 + 3],
    "broadcast": lambda n, x, y, z: table(x),
    "cumsum": lambda n, x, y, z: jnp.cumsum(row(x)),
    "gather": lambda n, x, y, z: row(x)[index(y)],
    "update": lambda n, x, y, z: row(x).at[n % 3].set(row(y)[0]),
    "scatter_add": lambda n, x, y, z: row(x).at[index(z)].add(row(y)[1]),
    "slice": lambda n, x, y, z: lax.dynamic_slice(table(x), (index(y), 0), (1, 3))[0],
    "float32": lambda n, x, y, z: real(x).astype(jnp.float32),
    "table": lambda n, x, y, z: x + np.float32([[0, 1, 2], [3, 4, 5]]),
    "zeros": lambda n, x, y, z: jnp.zeros((3,)) * n + real(x),
    "stop_gradient": lambda n, x, y, z: lax.stop_gradient(x) * real(y),
}
"""Operations that have a derivative wherever they are finite."""

OPERATIONS: Final[dict[str, Callable[..., Any]]] = {
    **SMOOTH,
    "div": lambda n, x, y, z: real(x) / real(y),
    "sqrt": lambda n, x, y, z: jnp.sqrt(real(x)),
    "abs": lambda n, x, y, z: jnp.abs(real(x)),
    "floor": lambda n, x, y, z: jnp.floor(real(x)),
    "maximum": lambda n, x, y, z: pick(n, (jnp.maximum, jnp.minimum))(x, y),
    "compare": lambda n, x, y, z: pick(n, (jnp.less, jnp.equal, jnp.not_equal, jnp.greater_equal))(
        x, y
    ),
    "bits": lambda n, x, y, z: pick(n, (jnp.bitwise_and, jnp.bitwise_xor))(whole(x), whole(y)),
    "not": lambda n, x, y, z: ~whole(x),
    "shift_right": lambda n, x, y, z: whole(x) >> (n % 32),
    "integers": lambda n, x, y, z: whole(x) * whole(y) - n,
    "extreme": lambda n, x, y, z: pick(n, (real(x).max(), table(x).min(0))),
    "argmax": lambda n, x, y, z: pick(n, (jnp.argmax, jnp.argmin))(real(x)),
    "any": lambda n, x, y, z: (real(x) > 0).any() ^ (real(y) < 1).all(),
    "sort": lambda n, x, y, z: pick(n, (jnp.sort, jnp.argsort))(row(x)),
    "cast": lambda n, x, y, z: cast(x, pick(n, DTYPES)),
    "edge": lambda n, x, y, z: x * pick(n, EDGES),
    "iota": lambda n, x, y, z: jnp.arange(3) + whole(x),
    "full": lambda n, x, y, z: jnp.full((2, 3), pick(n, EDGES)),
    "one_hot": lambda n, x, y, z: jax.nn.one_hot(index(x), 3),
    "uniform": lambda n, x, y, z: jax.random.uniform(key(n, x), (3,)),
    "normal": lambda n, x, y, z: jax.random.normal(key(n, x), (2, 3)),
    "random_bits": lambda n, x, y, z: jax.random.bits(jax.random.split(key(n, x))[n % 2]),
    "randint": lambda n, x, y, z: jax.random.randint(key(n, x), (3,), -5, 5),
}


def _scan(number: int, x: Any, body: Body) -> Any:
    return lax.scan(lambda c, y: (body(c + y), c.sum()), row(x), table(x), reverse=number % 2 == 0)[
        0
    ]


def _scan_out(number: int, x: Any, body: Body) -> Any:
    length = 3
    return lax.scan(lambda c, _: (c + number, body(c)[0]), row(x), None, length=length)[1]


def _while(number: int, x: Any, body: Body) -> Any:
    return lax.while_loop(
        lambda s: s[0] < number % 4, lambda s: (s[0] + 1, body(s[1])), (0, row(x))
    )[1]


CONTROL: Final[dict[str, Callable[..., Any]]] = {
    "cond": lambda n, x, f, g: lax.cond(truth(x), f, g, row(x)),
    "switch": lambda n, x, f, g: lax.switch(index(x), [f, g, lambda y: y], row(x)),
    "fixed_switch": lambda n, x, f, g: lax.switch(n % 3, [f, g, lambda y: y], row(x)),
    "scan": lambda n, x, f, g: _scan(n, x, f),
    "scan_out": lambda n, x, f, g: _scan_out(n, x, f),
    "while": lambda n, x, f, g: _while(n, x, f),
    "fori": lambda n, x, f, g: lax.fori_loop(0, n % 3, lambda i, y: f(y + i), row(x)),
    "map": lambda n, x, f, g: lax.map(f, table(x)),
    "vmap": lambda n, x, f, g: jax.vmap(f)(table(x)),
    "jit": lambda n, x, f, g: jax.jit(f)(row(x)),
    "jit_twice": lambda n, x, f, g: _twice(jax.jit(f), row(x)),
    "checkpoint": lambda n, x, f, g: jax.checkpoint(f)(row(x)),
}
"""Control flow over inner programs, each from a float vector to a float vector."""

LOOPS_WITHOUT_REVERSE: Final = frozenset({"while"})


def _twice(f: Body, x: Any) -> Any:
    return f(x) + f(f(x))


def inputs() -> st.SearchStrategy[Any]:
    """An argument: an array or a Python scalar, edge values included."""
    numbers = st.one_of(st.sampled_from(EDGES), st.floats(-4, 4, width=16))
    floats = st.sampled_from(SHAPES).flatmap(
        lambda shape: st.lists(numbers, min_size=(size := int(np.prod(shape))), max_size=size).map(
            lambda values: np.array(values, np.float32).reshape(shape)
        )
    )
    integers = st.lists(st.sampled_from(INTEGERS), min_size=3, max_size=3).map(
        lambda values: np.array(values, np.int32)
    )
    scalars = st.one_of(numbers, st.sampled_from(INTEGERS[:6]), st.booleans())
    return st.one_of(floats, floats, integers, scalars)


def smooth_inputs() -> st.SearchStrategy[Any]:
    """A float32 vector of ordinary size."""
    numbers = st.floats(-2, 2, width=16)
    return st.lists(numbers, min_size=3, max_size=3).map(
        lambda values: np.array(values, np.float32)
    )


@st.composite
def steps(
    draw: st.DrawFn, names: Sequence[str], control: Sequence[str], most: int, depth: int
) -> tuple[Step, ...]:
    """Up to ``most`` steps, control flow nested up to ``depth`` deep."""
    found: list[Step] = []
    for _ in range(draw(st.integers(1, most))):
        nested = depth > 0 and draw(st.integers(0, 4)) == 0
        name = draw(st.sampled_from(control if nested else names))
        operands = draw(st.tuples(*[st.integers(0, 5)] * 3))
        inner = steps(names, control, 3, depth - 1)
        bodies = (draw(inner), draw(inner)) if nested else ()
        found.append(Step(name, operands, draw(st.integers(0, 11)), bodies))
    return tuple(found)


@st.composite
def programs(draw: st.DrawFn, *, smooth: bool = False, most: int = 8) -> RandomProgram:
    """A random program; ``smooth`` ones have a derivative and ordinary inputs."""
    names = sorted(SMOOTH if smooth else OPERATIONS)
    control = sorted(set(CONTROL) - LOOPS_WITHOUT_REVERSE if smooth else CONTROL)
    values = draw(st.lists(smooth_inputs() if smooth else inputs(), min_size=1, max_size=3))
    body = draw(steps(names, control, most, 2))
    results = draw(st.lists(st.integers(0, most), min_size=1, max_size=3))
    return RandomProgram(body, tuple(results), tuple(values))
