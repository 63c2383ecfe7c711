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
# # On a TPU
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tracegraph/tracegraph/blob/main/notebooks/03_on_a_tpu.ipynb)
#
# At the end of this notebook you can run one training step on all cores of a TPU at once, without
# changing a line of the step. Without a TPU you can do the same on a CPU that plays eight devices,
# and still see the very program that a TPU would be given.

# %% [markdown]
# ## Install
#
# For a TPU on Colab choose *Runtime, Change runtime type* and then a TPU, before you begin. This
# cell installs tracegraph where it is missing. Where jax is installed already, as on Colab, that
# very version stays: it is given to pip as a requirement.

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

# %% [markdown]
# ## What is there?
#
# The setting at the top lets a CPU count as eight devices. It must be there before JAX looks for
# devices, and it means nothing to a TPU.

# %%
import os

flags = os.environ.get("XLA_FLAGS", "")
os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count=8"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import tracegraph as tg

devices = jax.devices()
platform = devices[0].platform

print(f"{len(devices)} devices of the kind {platform}")

# %%
if platform == "cpu":
    print(f"There is no TPU here. The {len(devices)} devices share one processor, so what follows")
    print("computes what a TPU would compute, with the same division of the work, but not")
    print("faster. On a TPU each device would be a core with memory and multipliers of its")
    print("own, joined by fast links, and the same cells would run on them unchanged.")
else:
    print("Each of these has memory of its own, and what follows runs on all of them.")

# %% [markdown]
# ## A step that knows nothing of devices
#
# Here is a training step for a small network that sorts points of the plane: is a point inside a
# ring or not? It is written as for one device.


# %%
def logits(parameters, points):
    """A number for each point: above zero for inside."""
    hidden = jnp.tanh(points @ parameters["w1"] + parameters["b1"])
    hidden = jnp.tanh(hidden @ parameters["w2"])
    return hidden @ parameters["w3"]


def loss(parameters, points, inside):
    """The mean cross-entropy."""
    z = logits(parameters, points)
    return jnp.mean(jnp.maximum(z, 0) - z * inside + jnp.log1p(jnp.exp(-jnp.abs(z))))


@tg.function
def train_step(parameters, points, inside):
    """Better parameters, and the loss of those given."""
    value, gradients = jax.value_and_grad(loss)(parameters, points, inside)
    updated = jax.tree.map(lambda p, g: p - 0.5 * g, parameters, gradients)
    return updated, value


rng = np.random.default_rng(0)
points = rng.uniform(-1.5, 1.5, (4096, 2)).astype(np.float32)
radius = np.hypot(points[:, 0], points[:, 1])
inside = ((radius > 0.5) & (radius < 1.1)).astype(np.float32)

parameters = {
    "w1": rng.normal(0.0, 1.0, (2, 64)).astype(np.float32),
    "b1": rng.normal(0.0, 1.0, 64).astype(np.float32),
    "w2": rng.normal(0.0, 0.125, (64, 64)).astype(np.float32),
    "w3": np.zeros(64, np.float32),
}

# %% [markdown]
# ## All devices, by a mesh
#
# A **mesh** gives the devices an arrangement with named sides. Here it has one side, called
# `data`, as long as there are devices. A **sharding** says how an array lies on a mesh. We choose
# two of them:
#
# - `split`: the first dimension is cut into equal pieces along `data`, one for each device;
# - `copied`: every device has the whole array.
#
# The points are split and the parameters are copied. This is called data parallelism: each device
# works on its own points, and then all agree on one gradient.

# %%
mesh = Mesh(np.array(devices), ("data",))
split = NamedSharding(mesh, PartitionSpec("data"))
copied = NamedSharding(mesh, PartitionSpec())

usable = len(points) - len(points) % len(devices)
batch = jax.device_put((points[:usable], inside[:usable]), split)
state = jax.device_put(parameters, copied)

for name, array in (("points", batch[0]), ("w1", state["w1"])):
    piece = array.addressable_shards[0].data
    print(f"{name}: {array.shape} in all, {piece.shape} on each of {len(array.devices())} devices")

# %% [markdown]
# The step is called as ever. Where its inputs lie decides where it runs; nothing in it has to say
# so.

# %%
values = []
for _ in range(200):
    state, value = train_step(state, *batch)
    values.append(float(value))

print(f"loss {values[0]:.1f} at first, {values[-1]:.1f} after {len(values)} steps")
print("the new w1 lies on", len(state["w1"].devices()), "devices;", end=" ")
print("whole on each:", state["w1"].is_fully_replicated)

# %% [markdown]
# ## Where the devices talk
#
# The graph does not mention devices: it is one program over whole arrays.

# %%
graph = train_step.graph(state, *batch)
products = sum(op.name == "dot_general" for op in graph.body)
print(f"{len(graph.body)} operations, {products} of them dot_general")

# %% [markdown]
# The compiler cuts it into one program for each device, and puts in the operations by which
# devices talk. For data parallelism it takes one kind only, the **all-reduce**: add up what all
# devices have, and give the sum to each. (With a single device there is nobody to talk to, and no
# all-reduce.) Let us look for it in the compiled program, and at the size of the arrays in there.

# %%
import re

compiled = train_step.lower(state, *batch).compile().as_text()

partitions = re.search(r"num_partitions=(\d+)", compiled)
print("programs:", partitions[1] if partitions else 1)
print("there are all-reduces:", bool(re.search(r"all-reduce(-start)?\(", compiled)))

rows = usable // len(devices)
print(f"arrays of all {usable} rows: ", f"[{usable}," in compiled)
print(f"arrays of {rows} rows:     ", f"[{rows}," in compiled)

# %% [markdown]
# Does it compute the same? One step on all devices against one step on a single device:

# %% tags=["varies"]
together, _ = train_step(state, *batch)
alone, _ = train_step(*jax.device_put((state, *batch), devices[0]))

for name in parameters:
    difference = np.abs(np.asarray(together[name]) - np.asarray(alone[name]))
    print(f"{name}: they differ by at most {difference.max():.0e}")

# %% [markdown]
# They need not agree to the last bit, since the sum over the rows is added up in another order.
# How long does a step take?

# %% tags=["varies"]
import time


def milliseconds(state, batch, steps=50):
    """The median time of a step."""
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        jax.block_until_ready(train_step(state, *batch))
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)[steps // 2]


print(f"one device:  {milliseconds(*jax.device_put((state, batch), devices[0])):.2f} ms")
print(f"all devices: {milliseconds(state, batch):.2f} ms")
if platform == "cpu":
    print("These devices are one processor, so this says nothing about a TPU.")

# %% [markdown]
# A step this small is not worth a TPU's while, either: the devices would mostly wait for each
# other. The work on each device has to be large beside the talking. Make the batch and the layers
# larger and look again.

# %% [markdown]
# ## The program for a TPU, wherever you are
#
# JAX can **lower** a function for a platform that is not there: it goes as far as the program that
# XLA for TPU would be given. `lowering_platforms` says for which one.

# %%
traced = train_step.trace(state, *batch)
for_tpu = traced.lower(lowering_platforms=("tpu",)).as_text()

for line in for_tpu.splitlines()[:3]:
    print(line[:97])

# %% [markdown]
# This is the head of the program: how many devices it is for, the mesh, and the inputs with their
# types. `tensor<64xf32>` is what a graph writes as `f32[64]`. What is in the body?

# %%
operations = re.findall(r"stablehlo\.(\w+)", for_tpu)
print(len(operations), "operations for a TPU, of", len(set(operations)), "kinds")
print(f"{operations.count('dot_general')} multiplications of matrices:")
for line in for_tpu.splitlines():
    if "stablehlo.dot_general" in line:
        print("   ", line.split(" : ")[-1])

# %% [markdown]
# Some operations have another form on another platform. `jax.lax.platform_dependent` is how a
# function says so, and lowering picks the branch. Only the chosen one is left in the program:


# %%
@tg.function
def doubled(x):
    """Twice x; a TPU computes it in half precision."""
    return jax.lax.platform_dependent(
        x,
        tpu=lambda x: (x.astype(jnp.bfloat16) * 2).astype(jnp.float32),
        default=lambda x: x * 2,
    )


example = jax.ShapeDtypeStruct((8, 128), jnp.float32)
for target in ("cpu", "tpu"):
    text = doubled.trace(example).lower(lowering_platforms=(target,)).as_text()
    print(f"{target}: bfloat16 in the program: {'bf16' in text}")

# %% [markdown]
# ## A notebook that is opened again
#
# A runtime that was lost takes the compiled steps with it. Keep them in a folder that stays, in
# Colab one of a mounted Drive, and the next session reaches its first step without tracing or
# compiling. Set `TRACEGRAPH_CACHE_DIR` to have it for every function.

# %%
import tempfile

folder = tempfile.mkdtemp()  # in Colab: "/content/drive/MyDrive/tracegraph"


def affine(x, w):
    """A layer, to be kept on disk."""
    return jnp.tanh(x @ w) + 1


arguments = jnp.ones((8, 128)), jnp.ones((128, 4))
tg.function(affine, cache=tg.Cache(folder))(*arguments)
jax.clear_caches()  # as a new session finds it

again = tg.function(affine, cache=tg.Cache(folder))
with tg.expect(traces=0):
    again(*arguments)
print(again.cache_info().hits, "program read from disk")

# %% [markdown]
# ## What is different on a TPU
#
# - **Matrices.** The multipliers of a TPU take `bfloat16`. By default JAX lets a TPU multiply
#   `float32` matrices with inputs rounded to `bfloat16`, so results differ from a CPU's in the
#   third digit or so. Ask for more where you need it: `jax.default_matmul_precision("highest")`.
# - **Shapes.** Arrays lie in tiles of 8 by 128 numbers. Dimensions that are multiples of these
#   waste nothing.
# - **Steps.** Python hands the steps to the TPU and goes on without waiting, until it asks for a
#   number, as `float(value)` above does in each step. In a real training ask for it rarely.
# - **Memory.** Give the old parameters away, `@tg.function(donate_argnums=0)`, and the new ones
#   are written in their place.
#
# This is all that has to change when you move. The step, its graph and its dump stay what they
# are.
