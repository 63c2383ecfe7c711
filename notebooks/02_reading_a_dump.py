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
# # Reading a dump
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tracegraph/tracegraph/blob/main/notebooks/02_reading_a_dump.ipynb)
#
# At the end of this notebook you can have tracegraph write down every form that a function takes
# between your Python and the machine, and compare two of them. You can also go from one of your
# lines to what became of it, and from an instruction of the machine back to your line.

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

# %% [markdown]
# ## A function in a file
#
# A dump names your files and lines, so let us have a file. The first cell below goes to an empty
# folder, the second one writes `model.py` there: a network of two layers, and its loss.
#
# `jax.named_scope` gives a name to a part of a program. It changes nothing that is computed, and
# we shall see the names again. Two things in this file
# are a little wasteful, on purpose: `loss` has no use for the `activity` that the network also
# computes, and it computes the same sum twice.

# %%
import os
import tempfile
from pathlib import Path

os.chdir(tempfile.mkdtemp())

# %%
# %%writefile model.py
import jax
import jax.numpy as jnp

import tracegraph as tg


def network(parameters, images):
    """Four scores for each image, and how active the hidden layer is."""
    with jax.named_scope("hidden"):
        hidden = jax.nn.relu(images @ parameters["w1"])
    with jax.named_scope("output"):
        logits = hidden @ parameters["w2"]
    activity = jnp.abs(hidden).mean()
    return logits, activity


@tg.function
def loss(parameters, images, labels):
    """The mean cross-entropy."""
    logits, _ = network(parameters, images)
    shifted = logits - logits.max(axis=1, keepdims=True)
    total = jnp.exp(shifted).sum(axis=1)
    again = jnp.exp(shifted).sum(axis=1)
    correct = jnp.sum(shifted * labels, axis=1)
    return jnp.mean((jnp.log(total) + jnp.log(again)) / 2 - correct)


# %% [markdown]
# ## Ask for a dump
#
# One environment variable does it: `TRACEGRAPH_DUMP_TO` names a folder, and each function that is
# compiled from then on leaves a folder of its own in it. You can set it outside as well,
# `TRACEGRAPH_DUMP_TO=dumps python train.py`, without touching the program. Nothing is written when
# a function runs again for the same shapes.

# %%
os.environ["TRACEGRAPH_DUMP_TO"] = "dumps"

import model
import numpy as np

parameters = {"w1": np.full((16, 8), 0.1, np.float32), "w2": np.eye(8, 4, dtype=np.float32)}
images = np.linspace(0.0, 1.0, 32 * 16, dtype=np.float32).reshape(32, 16)
labels = np.eye(4, dtype=np.float32)[np.arange(32) % 4]

print(f"{model.loss(parameters, images, labels):.4f}")

folder = next(Path("dumps").iterdir())
print(folder)
for file in sorted(folder.iterdir()):
    print("   ", file.name)

# %% [markdown]
# The files sort in the order in which they were made:
#
# - `000_captured.tg` is the graph that your Python asked for;
# - one `.tg` file for each pass that changed the graph, numbered, and then `optimized.tg`;
# - `stablehlo.mlir` is what JAX handed to the compiler XLA;
# - `compiled.hlo` is what XLA made of it for this machine;
# - `index.md` is where to begin.

# %% tags=["varies"]
print((folder / "index.md").read_text())

# %% [markdown]
# A row of the table is one run of one pass. A pass inside `repeat` has several runs, with numbers
# such as 3.1.2: third step of the pipeline, first round, second pass of the round. The rounds stop
# when one of them changes nothing.

# %% [markdown]
# ## Two stages side by side
#
# Values keep their names from one stage to the next, so the difference of two files is short and
# says what a pass did. Python can compare files by itself. Lines with `-` are gone, lines with `+`
# are new. The settings in braces and the places are left out here, since they are long.

# %%
import difflib
import re


def lines(path):
    """The lines of a graph without settings and places."""
    text = re.sub(r" loc\(.*\)$", "", path.read_text(), flags=re.MULTILINE)
    return re.sub(r" \{.+\}", "", text).splitlines()


def show_difference(before, after):
    """Prints the lines that differ."""
    for line in difflib.unified_diff(lines(before), lines(after), n=0, lineterm=""):
        if not line.startswith(("---", "+++", "@@")):
            print(line)


graphs = {path.name.split("-")[-1]: path for path in sorted(folder.glob("*.tg"))}
show_difference(graphs["000_captured.tg"], graphs["inline.tg"])

# %% [markdown]
# That was the pass `inline`: the call of `jax.nn.relu`, with another call in it, became the one
# operation that it is made of. It brought a constant along, so the constants behind it have the
# next number. The other passes have found what is wasteful:

# %%
show_difference(graphs["inline.tg"], graphs["dce.tg"])

# %% [markdown]
# The `activity` is not computed any more, and the second `exp` and its sum are gone: `%again` is
# `%total`. To see which pass did it, take the first stage in which a name is missing:

# %%
for path in graphs.values():
    text = path.read_text()
    print(f"{path.name:20} activity: {'%activity' in text!s:7} again: {'%again' in text}")

# %% [markdown]
# ## From your line to the graph
#
# Every operation knows the file, the line and the function it comes from. The `.tg` files write it
# at the end of the line as `loc(...)`; a graph object has it as `op.location`. What became of the
# line that computes `total`?

# %%
source = Path("model.py").read_text().splitlines()
number = 1 + next(i for i, line in enumerate(source) if "total =" in line)

graph = model.loss.graph(parameters, images, labels)
print(f"model.py:{number}  {source[number - 1].strip()}")
for op in graph.body:
    if op.location.frame and op.location.frame.line == number:
        print("    became", op.name, "of type", op.results[0].type)

# %% [markdown]
# The other way round, this prints the graph beside the source:

# %%
for op in graph.body:
    if op.location.frame:
        line = op.location.frame.line
        print(f"{op.name:22}{line:3}  {source[line - 1].strip()[:60]}")

# %% [markdown]
# An operation also keeps the scopes that it was made in, and the names of the passes that had a
# hand in it:

# %%
for op in graph.body:
    if op.name in ("dot_general", "max", "exp"):
        location = op.location
        print(f"{op.name:14}scope {location.name_stack!r:36}passes {location.rules}")

# %% [markdown]
# ## From the machine back to your line
#
# `stablehlo.mlir` is text as well. Its shape is much like that of the graph, with longer names:
# `stablehlo.dot_general` is our `dot_general`. Each operation refers to a place, `loc(#loc7)`, and
# the places stand at the end of the file. This cell looks them up for the multiplications:

# %%
stablehlo = next(folder.glob("*_stablehlo.mlir")).read_text()
places = dict(re.findall(r"^(#loc\d*) = loc\((.*)\)$", stablehlo, re.MULTILINE))

for line in stablehlo.splitlines():
    if "stablehlo.dot_general" in line:
        name = re.search(r'"([^"]*)"', places[re.search(r"#loc\d+", line)[0]])[1]
        print(re.sub(r"loc\(.*", "", line).strip()[:60], "...")
        print("    is", name)

# %% [markdown]
# `jit(loss)/hidden/dot_general` reads: in the function `loss`, in the scope `hidden`, the
# operation `dot_general`.
#
# `compiled.hlo` is the last form. By now XLA has rearranged everything: operations that belong
# together have become a **fusion**, one loop over the data that does them all. Still each
# instruction has its `op_name`. This counts the instructions for each of your scopes and
# operations:

# %% tags=["varies"]
from collections import Counter

hlo = next(folder.glob("*_compiled.hlo")).read_text()
names = Counter(re.findall(r'op_name="jit\(loss\)/([^"]*)"', hlo))
for name, count in sorted(names.items()):
    print(f"{count:3} instructions from {name}")

# %% [markdown]
# The same metadata has the line of the source. A profiler reads it, too: this is why a profile of
# a tracegraph function names *your* lines, although what runs is the optimized graph.

# %%
print("the compiled program names model.py:", "model.py" in hlo)

# %% [markdown]
# ## A picture
#
# Any graph can be drawn. `to_dot` gives the text that Graphviz draws; where the program `dot` is
# installed you see the picture, else the beginning of the text.

# %% tags=["varies"]
import shutil

from IPython.display import SVG, display

from compiler.ir import to_dot

drawing = to_dot(graph)
if shutil.which("dot"):
    picture = subprocess.run(["dot", "-Tsvg"], input=drawing, capture_output=True, text=True)
    display(SVG(picture.stdout))
else:
    print("\n".join(line[:100] for line in drawing.splitlines()[:12]))
    print("...")

# %% [markdown]
# ## Next
#
# [On a TPU](03_on_a_tpu.ipynb) lets a training step use every device there is. All about dumps and
# what else can be asked of a function is in the page on [inspecting](../docs/inspecting.md).
