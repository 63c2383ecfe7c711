"""``python -m tests.golden.capture``: captures the model graphs of the corpus anew.

What a model's graph is depends on JAX, flax and optax, so the texts are kept and tests replay them:
a difference in what comes out is then the passes' own. Run it on the development lock, then update
the golden files and read both diffs.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jax

from benchmarks.models import MODELS, Model, adam_step
from compiler.ir import print_graph
from compiler.lowering.import_jaxpr import import_jaxpr

CAPTURED = Path(__file__).parent / "models" / "captured"
LEAVES = 8
"""Of the Adam step: the more leaves, the more of the same text."""


@cache
def models() -> dict[str, Model]:
    """The models by the names of their files."""
    made = {name.lower().replace(" ", "_"): make() for name, make in MODELS.items()}
    return {**made, "adam_step": adam_step(LEAVES)}


def text_of(name: str, model: Model) -> str:
    """What tracing the model gives, without locations: these name places on this machine."""
    graph = import_jaxpr(jax.make_jaxpr(model.function)(*model.arguments), name=name)
    return f"// captured with jax {jax.__version__}\n{print_graph(graph)}"


def main() -> None:
    """Writes a file for every model."""
    CAPTURED.mkdir(parents=True, exist_ok=True)
    for name, model in models().items():
        (CAPTURED / f"{name}.tg").write_text(text_of(name, model), encoding="utf-8")


if __name__ == "__main__":
    main()
