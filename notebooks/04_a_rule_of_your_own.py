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
# # A rule of your own
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tracegraph/tracegraph/blob/main/notebooks/04_a_rule_of_your_own.ipynb)
#
# At the end of this notebook you can see which rewrites were made of your function and why others
# were not, choose what they may do to your numbers, and add a rewrite of your own that is proved
# before it is used.

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
# ## What is rewritten already
#
# The function below multiplies two matrices and then looks at the first rows only. `jax.jit` hands
# it to XLA as it stands, and XLA computes the whole product. tracegraph has a rule for it: *the
# first rows of a product are the product of the first rows*.

# %%
import jax
import jax.numpy as jnp

import tracegraph as tg


@tg.function
def first_rows(a, b):
    """The first four rows of a layer."""
    return jnp.tanh(a @ b)[:4]


a = jax.random.normal(jax.random.key(0), (256, 256))
b = jax.random.normal(jax.random.key(1), (256, 256))
print(first_rows.graph(a, b))

# %% [markdown]
# Which rules fired, in which line, and what was each worth by the cost model?

# %%
for firing in first_rows.trace(a, b).rewrites:
    saved = 1 - firing.after / firing.before
    print(f"{firing.rule}: {saved:.0%} less, in {firing.location.frame.function}")

# %% [markdown]
# ## What may happen to the numbers
#
# The product of three matrices can be computed in two orders. The results agree but for rounding,
# and one of them can be far cheaper. That is more than another order of one sum, so it is not done
# unless you say that you agree: each rule has a class, and a function has a level.

# %%


def projected(a, b, v):
    """A vector through two layers."""
    return a @ b @ v


v = jax.random.normal(jax.random.key(2), (256,))
for level in ("exact", "rounding", "reassociate", "fast"):
    fired = tg.function(projected, numerics=level).trace(a, b, v).rewrites
    print(f"{level:>12}:", [firing.rule for firing in fired])

# %% [markdown]
# Is the difference harmless on *your* numbers? `verify` runs the function before and after the
# rewrites, on your arguments and on others near them, and compares.

# %%
step = tg.function(projected, numerics="reassociate")
print(step.verify(a, b, v).ok)

# %% [markdown]
# ## A rule in ten lines
#
# Suppose that your model computes `log(exp(x))` in many places, because two libraries disagree
# about which of the two they want, and that your numbers are never so large that `exp` overflows.
# You know a law that nobody else may rely on.
#
# `x` is a variable: it stands for any value. The pattern is what to look for, `replace` says what
# to put there, and the example is the smallest program on which the rule fires.

# %%
from tracegraph.rules import Numerics, Rule, example, op, var

x = var("x")

log_of_exp = Rule(
    name="log-of-exp",
    law="log(exp(x)) = x",
    pattern=op.log(op.exp(x)),
    replace=lambda m: m.x,
    numerics=Numerics.FINITE,
    transparent=True,
    examples=(example(lambda x: jnp.log(jnp.exp(x)), "f32[n]"),),
)

# %%


@tg.function(rules=[log_of_exp], numerics="fast")
def energy(x):
    """The sum of squares, the long way."""
    return jnp.sum(jnp.log(jnp.exp(x)) ** 2)


print(energy.graph(jnp.zeros(3)))
print(energy(jnp.array([1.0, 2.0, 3.0])))

# %% [markdown]
# ## A rule that is wrong
#
# Before a rule is used it is proved: on random numbers, on nan and infinities where its class
# promises them, at other sizes and element types, and under derivatives and batches if it says
# that it is transparent. Here is one with a mistake.

# %%
from dataclasses import replace

wrong = replace(log_of_exp, name="wrong", replace=lambda m: op.abs(m.x))

try:
    tg.function(lambda x: x, rules=[wrong])
except tg.TracegraphError as error:
    print(error.what)
    print(error.found)

# %% [markdown]
# ## Why did it not fire?
#
# At the level `rounding`, which is the default, the rule may not fire, since it is only right for
# finite numbers. A trace tells you so, and where.

# %%


def entropy(x):
    """Another sum, with the same detour."""
    return jnp.sum(jnp.log(jnp.exp(x)) * x)


near = tg.function(entropy, rules=[log_of_exp]).trace(jnp.zeros(3)).near_misses["log-of-exp"]
print(near.miss.reason)
print("in", near.location.frame.function)

# %% [markdown]
# To apply a rule to every function traced from now on, register it; `unregister` takes it back.
# [Writing rules](https://github.com/tracegraph/tracegraph/blob/main/docs/writing-rules.md) has the
# whole pattern language, and
# [Rules](https://github.com/tracegraph/tracegraph/blob/main/docs/rules.md) the table of all rules.

# %%
from tracegraph.rules import register, unregister

register(log_of_exp)
print(len(tg.function(entropy, numerics="fast").trace(jnp.zeros(3)).rewrites), "rewrite")
unregister(log_of_exp)
