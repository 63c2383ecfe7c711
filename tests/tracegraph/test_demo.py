"""``tracegraph demo``: it learns, it shows what it promises, and it fails in words."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from compiler.ir.parser import parse_graph
from tracegraph.cli import main
from tracegraph.demo import report, training


def demo(*words):
    return CliRunner().invoke(main, ["demo", *words], prog_name="tracegraph")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def whole(folder):
    """One whole run, shared by the tests that read it."""
    return demo("--output", str(folder))


@pytest.mark.slow
def test_it_learns(whole):
    assert whole.exit_code == 0, whole.stderr
    (score,) = re.findall(r"test accuracy (\d+\.\d\d)% on 360 held-out digits", whole.stdout)
    assert float(score) >= 97.5


@pytest.mark.slow
def test_it_shows_progress_in_lines_where_there_is_no_terminal(whole):
    epochs = re.findall(r"^epoch (\d+)/25, loss \d\.\d{4}$", whole.stdout, re.MULTILINE)
    assert epochs == ["5", "10", "15", "20", "25"]
    assert "\x1b" not in whole.stdout


@pytest.mark.slow
def test_it_shows_the_passes_of_the_step(whole):
    table = whole.stdout.partition("passes of the train step")[2].partition("└")[0]
    assert re.search(r"│ 1 inline +│ +\d+ │ +\d+ │ +\d+ │", table)


@pytest.mark.slow
def test_it_shows_the_loss_before_and_after(whole, folder):
    for heading in ("before", "after"):
        section = whole.stdout.partition(f"the loss function {heading} the passes\n")[2]
        lines = section.splitlines()
        assert lines[0] == "tracegraph.ir 1"
        assert lines[1].startswith("graph @loss(")
        assert max(map(len, lines[: report.SHOWN_LINES])) <= report.SHOWN_COLUMNS
    assert f"the whole is in {folder}" in whole.stdout


@pytest.mark.slow
def test_it_compares_the_speed(whole):
    line = re.search(
        r"^tracegraph (\d+\.\d\d) ms, jax.jit (\d+\.\d\d) ms, ratio (\d+\.\d\d)$",
        whole.stdout,
        re.MULTILINE,
    )
    assert line is not None
    ours, theirs, ratio = map(float, line.groups())
    assert ratio == pytest.approx(theirs / ours, abs=0.05)


@pytest.mark.slow
def test_it_says_where_the_dump_lies(whole, folder):
    assert whole.stdout.splitlines()[-1] == f"the dump is in {folder}"
    assert sorted(path.name.partition("_")[2] for path in folder.iterdir()) == [
        "accuracy",
        "loss",
        "train_step",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("whole")
def test_the_graphs_point_at_the_demos_own_lines(folder):
    (captured,) = folder.glob("*_loss/000_captured.tg")
    text = captured.read_text()
    locations = [op.location for op in parse_graph(text).body if op.location.frame]
    assert locations
    assert all("demo" in place.frame.file for place in locations)


@pytest.mark.slow
def test_too_few_epochs_are_told_and_exit_1(tmp_path):
    result = demo("--epochs", "1", "--output", str(tmp_path / "dump"))
    assert result.exit_code == 1
    assert re.fullmatch(
        r"the network did not learn the digits well enough\n"
        r"  where: 360 held-out digits\n"
        r"  expected: a test accuracy of 97.5% or more\n"
        r"  found: \d+\.\d\d%\n"
        r"  what to do: train for more epochs: tracegraph demo --epochs 25\n",
        result.stderr,
    )


def test_without_scikit_learn_it_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    result = demo("--output", str(tmp_path / "dump"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("the demo needs scikit-learn, which brings the digits\n")
    assert result.stderr.endswith('  what to do: pip install "tracegraph[demo]"\n')


def test_the_split_is_seeded_and_whole():
    train, test = training.load_digits(0)
    again, other = training.load_digits(0)[1], training.load_digits(1)[1]
    assert (len(train), len(test)) == (1437, 360)
    assert np.array_equal(test.images, again.images)
    assert not np.array_equal(test.labels, other.labels)
    assert (train.images.min(), train.images.max()) == (0, 1)


def test_an_epoch_visits_every_whole_batch_once():
    train, _ = training.load_digits(0)
    numbered = training.Split(train.images, np.arange(len(train), dtype=np.int32))
    seen = [batch.labels for batch in training.batches(numbered, np.random.default_rng(0))]
    assert {len(rows) for rows in seen} == {training.BATCH}
    assert len(set(np.concatenate(seen).tolist())) == len(train) // training.BATCH * training.BATCH


@pytest.mark.parametrize(("accuracy", "learned"), [(0.974, False), (0.975, True)])
def test_the_bar_is_at_97_5_percent(accuracy, learned):
    assert report.has_learned(accuracy) is learned


def test_a_bar_on_a_terminal(capsys):
    console = Console(file=sys.stdout, force_terminal=True, width=80)
    with report.progress(console, 2) as epoch_done:
        epoch_done(0.5)
        epoch_done(0.25)
    assert "loss 0.2500" in capsys.readouterr().out
