# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first function and its graph
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tracegraph/tracegraph/blob/main/notebooks/01_first_function.ipynb)
#
# At the end of this notebook you can turn a Python function into a graph with one decorator, and
# read that graph line by line. You will also have trained a tiny network with it, seen its
# gradient as ordinary lines of a graph, and read an error message.

# %% [markdown]
# ## Install
#
# This cell installs tracegraph where it is missing. Where jax is installed already, as on Colab,
# that very version stays: it is given to pip as a requirement.

# %%
import importlib.metadata
import importlib.util
import subprocess
import sys

PROJECT = "tracegraph @ git+https://github.com/tracegraph/tracegraph"

if importlib.util.find_spec("tracegraph") is None:
    installed = [
        f"{name}=={importlib.metadata.version(name)}"
        for name in ("jax", "jaxlib", "flax")
        if importlib.util.find_spec(name)
    ]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", PROJECT, *installed], check=True)

# %%
import jax
import jax.numpy as jnp

import tracegraph as tg

# %% [markdown]
# ## One function
#
# Here is a small model and the error it makes. There is one output for each row of `inputs`;
# `weights` says how much each column counts. The decorator `@tg.function` is the only thing that
# is not plain JAX.


# %%
@tg.function
def loss(weights, inputs, targets):
    """The mean of the squared errors."""
    predictions = jnp.tanh(inputs @ weights)
    errors = predictions - targets
    return jnp.mean(errors**2)


inputs = jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, -0.5]])
targets = jnp.array([1.0, -1.0, 0.0, 1.0])
weights = jnp.zeros(2)

print(loss(weights, inputs, targets))

# %% [markdown]
# It is called like any function. Behind the call, tracegraph ran the Python once, with stand-ins
# in place of the numbers, and wrote down every operation that JAX was asked for. What it wrote
# down is a **graph**. Ask for it with the same arguments:

# %%
print(loss.graph(weights, inputs, targets))

# %% [markdown]
# ## Line by line
#
# - `tracegraph.ir 1` is the name and version of the text form.
# - `graph @loss(%weights: f32[2], ...) -> (f32[])` is the head: what goes in, and what comes out.
#   `f32[4,2]` is a **type**: 32-bit floats, 4 rows, 2 columns. `f32[]` has no dimensions: it is
#   one number.
# - Each line between the braces is one **operation**. Read it from left to right: *a new value*
#   `=` *what is done*, *to which values*, `{with these settings}` `:` *type of the new value*.
# - Names with `%` are **values**. Each is computed once and never changed. Those that you gave a
#   name in Python (`predictions`, `errors`) have it here too; the others are named after their
#   operation.
# - `dot_general` is what `@` became, `tanh` and `sub` speak for themselves, `integer_pow {y = 2}`
#   is the square. The mean became two operations: a `reduce_sum` along `axes = (0,)`, and a
#   division by the `constant` 4.
# - `tg.group` is a note of tracegraph's own. Operations with the same number are expected to run as
#   one loop over the data, instead of one after the other.
# - `return` says which value is the answer.
#
# Two things are *not* there: Python and numbers. No line says what `inputs` holds, and nothing of
# your function's Python is left. That is why a graph can be compiled for a CPU, a GPU or a TPU,
# and why it can be used again for other numbers.
#
# A graph is also an object that you can look through:

# %%
graph = loss.graph(weights, inputs, targets)

for op in graph.body:
    reads = ", ".join(str(operand.type) for operand in op.operands)
    print(f"{op.name:18}{reads}")

# %% [markdown]
# ## When is Python run?
#
# Only when there is no graph yet for these shapes and types. To see it, this function makes a note
# of each time its Python runs.

# %%
notes = []


@tg.function
def scaled(x, factor):
    """The product, and a note on the side."""
    notes.append(f"{x.dtype}{list(x.shape)}")
    return x * factor


scaled(jnp.ones(4), 2.0)
scaled(jnp.zeros(4), 3.0)
print("same shape, other numbers: ", notes)

scaled(jnp.ones(5), 2.0)
print("another shape:             ", notes)

scaled(jnp.ones(4, jnp.int32), 2.0)
print("another element type:      ", notes)

scaled(jnp.ones(4), 2.0)
print("the first shape again:     ", notes)

# %% [markdown]
# Each shape has a graph of its own, made once and kept. This is how `jax.jit` works too, and
# `tg.function` means exactly the same by every one of its options. It also has a consequence that
# is easy to forget: a `print` in your function prints once for each shape, not once for each call,
# because the printing is Python and is not in the graph. (`jax.debug.print` is an operation, and
# is.)

# %% [markdown]
# ## A training step, gradient inside
#
# Now a network with one hidden layer, and one whole step of its training: forward, backward,
# update.


# %%
def network(parameters, inputs):
    """One output for each input."""
    hidden = jax.nn.relu(inputs @ parameters["w1"] + parameters["b1"])
    return hidden @ parameters["w2"]


def squared_error(parameters, inputs, targets):
    """How far the network is off."""
    predictions = network(parameters, inputs)
    return jnp.mean((predictions - targets) ** 2)


@tg.function
def train_step(parameters, inputs, targets):
    """Better parameters, and the loss of those given."""
    value, gradients = jax.value_and_grad(squared_error)(parameters, inputs, targets)
    updated = jax.tree.map(lambda p, g: p - 0.01 * g, parameters, gradients)
    return updated, value


# %% [markdown]
# It shall learn about one period of a sine.

# %%
key1, key2 = jax.random.split(jax.random.key(0))
parameters = {
    "w1": jax.random.normal(key1, (1, 32)),
    "b1": jnp.linspace(-3.0, 3.0, 32),
    "w2": jax.random.normal(key2, (32, 1)) * 0.1,
}
angles = jnp.linspace(-3.0, 3.0, 128).reshape(128, 1)
sines = jnp.sin(angles)

losses = []
for _ in range(500):
    parameters, value = train_step(parameters, angles, sines)
    losses.append(float(value))

for step in (0, 10, 100, 499):
    print(f"step {step:3}: loss {losses[step]:.3f}")

# %% [markdown]
# The graph of this step holds the forward pass, the backward pass and the update, one after the
# other. Nothing in it is marked as "gradient": the derivative of a function is made of ordinary
# operations. Look for `reduce_sum` and `dot_general`, and for the last lines, where `0.01` times
# each gradient is subtracted.

# %%
print(train_step.graph(parameters, angles, sines))

# %% [markdown]
# ## Before and after
#
# What you saw is the **optimized** graph. `trace` gives the whole story: the **captured** graph is
# what your Python asked for, and each **stage** is the graph after one pass over it that changed
# something. A pass is a small program that makes a graph simpler without changing what it
# computes.

# %%
from compiler.ir import count_ops

trace = train_step.trace(parameters, angles, sines)

print(f"{'captured':40}{count_ops(trace.captured):4} operations")
for stage in trace.stages:
    print(f"{stage.name:40}{count_ops(stage.graph):4} operations")

# %% [markdown]
# The captured graph has more operations, and some of them are **calls** with a graph of their own
# inside: `jax.nn.relu` is one, written as a `region` in braces under its operation. Here is the
# first such call:

# %%
call = next(op for op in trace.captured.body if op.regions)

print(call.name, "has the region", call.regions[0].name, "with")
for op in call.regions[0]:
    print("   ", op.name)

# %% [markdown]
# The pass `inline` puts the operations of a call in the place of the call; `canonicalize`,
# `fold-constants`, `cse` and `dce` remove what is not needed; `fuse` writes the notes `tg.group`.
# You can choose the passes yourself. With none at all, the optimized graph is the captured one:

# %%
plain_step = tg.function(train_step.__wrapped__, passes="")
untouched = plain_step.trace(parameters, angles, sines)

print(count_ops(untouched.captured), "operations captured,", count_ops(untouched.optimized), "kept")

# %% [markdown]
# ## Reading an error
#
# Mistakes in your function raise what they raise in JAX, at your own line. Here the shapes do not
# fit:

# %%
try:
    loss(jnp.zeros(3), inputs, targets)
except TypeError as error:
    print(type(error).__name__, "-", error)

# %% [markdown]
# Mistakes in what you ask of tracegraph itself come in four parts: what happened, where, what was
# expected and what was found instead, and what to do.

# %%
try:
    tg.function(squared_error, passes="inline,canonicalise,dce")
except tg.TracegraphError as error:
    print(error)

# %% [markdown]
# The text of a graph can be saved, edited and read back, so it can hold mistakes as well. The
# caret shows where:

# %%
from compiler.ir import parse_graph

text = str(graph)
print("read back, it is the same:", str(parse_graph(text)) == text)

try:
    parse_graph(text.replace("f32[4,2]", "f32[4,2"), filename="loss.tg")
except tg.TracegraphError as error:
    print(error)

# %% [markdown]
# ## Next
#
# [Reading a dump](02_reading_a_dump.ipynb) follows a function down to the code that runs on the
# machine, and finds the way back from there to your own lines.
