"""The peers: what their processes print, what is kept of it, and the sizes of the models."""

from __future__ import annotations

import dataclasses
import math
import sys

import click
import jax
import pytest

from benchmarks.peers import __main__ as runner
from benchmarks.peers.jax_models import peer
from benchmarks.peers.results import JIT, OURS, Measured, Peers, merged, read, write
from benchmarks.peers.worker import Model, median_seconds
from benchmarks.suite.networks import NETWORKS
from benchmarks.suite.shapes import KINDS, SIZES, workload_name
from tests.benchmarks.made_up import PEERS

QUICK = PEERS.settings["Quick"]


def test_new_medians_take_the_place_of_those_of_the_same_workload():
    after = merged(PEERS, Measured("Quick", QUICK, {"MLP, forward": 0.1, "LSTM, forward": 0.2}))
    assert after.of("MLP, forward") == {"Quick": 0.1, "Forward only": 0.001}
    assert after.of("MLP, train step") == {"Quick": 0.0045}
    assert after.of("LSTM, forward") == {"Quick": 0.2}


def test_what_a_peer_measured_in_another_setting_is_dropped():
    after = merged(PEERS, Measured("Quick", "quick 1.1, 2 threads", {"MLP, forward": 0.1}))
    assert after.seconds == {"MLP, forward": {"Quick": 0.1, "Forward only": 0.001}}
    assert after.settings["Quick"] == "quick 1.1, 2 threads"


def test_merging_changes_nothing_that_was_kept():
    before = dataclasses.asdict(PEERS)
    merged(PEERS, Measured("Quick", QUICK, {"MLP, forward": 0.1}))
    assert dataclasses.asdict(PEERS) == before


def test_the_file_gives_back_what_was_written(tmp_path):
    file = tmp_path / "results" / "peers.json"
    assert read(file) == Peers()
    write(PEERS, file)
    assert read(file) == PEERS


def test_a_process_tells_its_version_and_then_a_line_for_each_workload(capsys):
    lines = ['{"version": "quick 1.0"}', '{"workload": "MLP, forward", "seconds": 0.0025}']
    found = runner.from_lines("Quick", lines)
    assert found.seconds == {"MLP, forward": 0.0025}
    assert found.setting.startswith(f"quick 1.0, {runner.threads()} threads, ")
    assert "Quick: MLP, forward: 2.5 ms" in capsys.readouterr().out


def test_a_missing_environment_is_one_line(tmp_path, monkeypatch, capsys):
    others = [side for side in runner.SIDES if side.environment]
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    monkeypatch.setattr(runner, "SIDES", others)
    assert runner.main.main([], standalone_mode=False) is None
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(others)
    assert lines[0].startswith("torch.compile: left out, there is no .venv-peers-torch; make ")


def test_a_peer_that_is_not_there_is_an_error_that_names_those_that_are():
    with pytest.raises(click.BadParameter, match=r"there are jax\.jit, tracegraph, torch"):
        runner.main.main(["--only", "nobody"], standalone_mode=False)


def test_jit_and_ours_are_measured_here_as_the_peers_are():
    ours = {side.name: side for side in runner.SIDES if not side.environment}
    assert list(ours) == [JIT, OURS]
    assert {str(side.python) for side in ours.values()} == {sys.executable}


def test_a_training_step_goes_on_with_what_it_gave():
    model = peer("plain", jax.jit).make("MLP", "train step")
    losses = [float(model.call()[-1]) for _ in range(3)]
    assert model.parameters == SIZES["MLP"].parameters
    assert losses[0] > losses[1] > losses[2]


def test_a_process_that_fails_is_an_error_with_its_last_words(tmp_path, monkeypatch):
    python = tmp_path / ".venv-quick" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho no such package >&2\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    with pytest.raises(click.ClickException, match="Quick: its process failed: no such package"):
        runner.measured(runner.Side("Quick", ".venv-quick", "quick"), ())


def test_a_median_is_of_calls_that_were_waited_for():
    waited: list[int] = []
    seconds = median_seconds(Model(0, lambda: 7, waited.append), samples=3)
    assert 0 < seconds < math.inf
    assert set(waited) == {7}


def test_the_peers_workloads_are_the_suites():
    names = [workload_name(network, kind) for network in SIZES for kind in KINDS]
    assert [workload.peer for workload in NETWORKS] == names
    assert [workload.name for workload in NETWORKS] == names


@pytest.mark.parametrize("workload", NETWORKS[::2], ids=lambda workload: workload.name)
def test_the_suites_models_have_the_sizes_that_the_peers_read(workload):
    parameters, x = jax.eval_shape(lambda: workload.make().arguments)
    size = SIZES[workload.name.removesuffix(", forward")]
    assert sum(leaf.size for leaf in jax.tree.leaves(parameters)) == size.parameters
    assert x.shape == size.shape
