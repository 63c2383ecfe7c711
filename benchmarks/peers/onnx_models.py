"""The forward passes of the suite for ONNX Runtime; runs in ``.venv-peers-torch``.

The models are those of :mod:`benchmarks.peers.torch_models`, exported by ``torch.onnx`` and
optimized by the runtime at its highest level, which is its default.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnxruntime
import torch

from benchmarks.peers.torch_models import network_and_input, parameters_of
from benchmarks.peers.worker import Model, Peer, main


def _make(network: str, kind: str) -> Model:
    if kind != "forward":
        raise ValueError(f"ONNX Runtime does forward passes, and no {kind}")
    net, x = network_and_input(network)
    net, x = net.eval().to(memory_format=torch.contiguous_format), x.contiguous()
    session, fed = _session(net, x), {"x": x.numpy()}
    return Model(parameters_of(net), lambda: session.run(None, fed), lambda result: result)


def _session(net: torch.nn.Module, x: torch.Tensor) -> Any:
    """What runs the exported network; it is compared with the network once."""
    file = io.BytesIO()
    torch.onnx.export(net, (x,), file, input_names=["x"], dynamo=True, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file.getvalue(), options, ["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = net(x).numpy()
    np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], expected, 1e-3, 1e-3)
    return session


if __name__ == "__main__":
    version = f"onnxruntime {onnxruntime.__version__}, exported by torch {torch.__version__}"
    main(Peer("ONNX Runtime", version, torch.set_num_threads, _make, kinds=("forward",)))
