"""The suite's table shows the peers beside ours, and says who is ahead."""

from __future__ import annotations

import dataclasses

import pytest
from rich.console import Console

from benchmarks.peers.results import Peers
from benchmarks.suite.report import (
    markdown,
    markdown_peers,
    markdown_table,
    peer_table,
    peer_verdicts,
    peers_of,
    table,
    verdicts,
)
from tests.benchmarks.made_up import ALONE, FORWARD, PEERS, PLAIN, ROWS, TRAIN

LONG = "depthwise-separable net, train step"
FIRED = ("gather-of-known-rows", "grouped-convolution-by-taps", "pointwise-convolution-by-dot")
LEVELS = {"exact": 0.98, "reassociate": 8.31, "fast": 9.57}


def _rows(lines: list[str]) -> list[list[str]]:
    """The cells of the lines that belong to a table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]


def test_the_peers_stand_beside_ours_with_a_dash_where_one_has_no_figure():
    head, _, *rows = _rows(markdown_peers(ROWS, PEERS))
    assert head == ["workload", "jit ms", "tracegraph ms", "Quick ms", "Forward only ms"]
    assert rows == [
        ["MLP, forward", "4", "2", "3", "1"],
        ["MLP, train step", "12", "6", "4.5", "-"],
    ]


def test_all_lines_of_a_table_have_as_many_cells():
    for lines in (markdown_table(ROWS), markdown_peers(ROWS, PEERS)):
        assert len({len(cells) for cells in _rows(lines)}) == 1


def test_a_peer_without_any_of_the_rows_is_not_shown():
    assert peers_of([PLAIN], PEERS) == ()
    assert peers_of([FORWARD], PEERS) == ("Quick", "Forward only")
    assert markdown_peers([PLAIN], PEERS) == []
    assert markdown_peers(ROWS, Peers()) == []


def test_the_verdict_says_on_how_many_we_are_ahead_and_where_not():
    assert peer_verdicts(ROWS, PEERS) == [
        "ahead of Quick on 1 of 2; not on MLP, train step (0.75)",
        "ahead of Forward only on 0 of 1; not on MLP, forward (0.50)",
    ]
    assert peer_verdicts([FORWARD], Peers({"Slow": ""}, {"MLP, forward": {"Slow": 1.0}})) == [
        "ahead of Slow on 1 of 1"
    ]
    assert peer_verdicts(ROWS, Peers()) == []


def test_ours_stands_beside_the_peers_as_they_were_measured():
    assert peers_of(ROWS, ALONE) == ("Quick", "Forward only")
    *_, row = _rows(markdown_peers(ROWS, ALONE))
    assert row == ["MLP, forward", "3", "0.5", "3", "1"]
    assert peer_verdicts(ROWS, ALONE) == [
        "ahead of Quick on 1 of 1",
        "ahead of Forward only on 1 of 1",
    ]


def test_the_page_ends_in_the_peers_and_their_verdicts():
    text = markdown(ROWS, "a machine", (1e11, 1e10), PEERS)
    assert "100 GFLOP/s" in text
    assert "Medians of Quick (quick 1.0, 2 threads); Forward only (" in text
    assert text.splitlines()[-2:] == [f"- {line}" for line in peer_verdicts(ROWS, PEERS)]


def test_the_terminal_has_the_same_columns():
    both = (
        (table(ROWS, "a machine", 200), markdown_table(ROWS)),
        (peer_table(ROWS, PEERS), markdown_peers(ROWS, PEERS)),
    )
    for shown, lines in both:
        head, _, *rows = _rows(lines)
        assert [str(column.header).replace("\n", " ") for column in shown.columns] == head
        assert shown.row_count == len(rows)


@pytest.mark.parametrize("width", [70, 80, 120, 180, 200])
def test_every_figure_is_whole_at_every_width(width):
    rows = [dataclasses.replace(row, name=LONG, fired=FIRED, levels=LEVELS) for row in ROWS]
    shown = Console(width=width)
    with shown.capture() as captured:
        shown.print(table(rows, "a machine", width))
    lines = captured.get()
    assert "…" not in lines
    assert all((word in lines) == (width > 120) for word in ("fired", *FIRED))
    assert all(word in lines for word in ("tracegraph", "difference", "speed-up"))
    assert all(f"{row.speedup:.2f}" in lines for row in rows)


def test_values_may_differ_by_what_jit_itself_moves():
    for off, is_right in ((0.1, True), (1.5, False), (float("nan"), False)):
        row = dataclasses.replace(PLAIN, off=off)
        assert row.is_right == is_right
        assert ("values: all agree" in verdicts([row])) == is_right


def test_the_verdict_names_both_rewritings_by_hand():
    rows = [
        dataclasses.replace(FORWARD, lead=4.0, by_hand=2.5),
        dataclasses.replace(TRAIN, lead=2.0),
    ]
    assert verdicts(rows)[-2:] == [
        "at least 0.7 of the speed-up by hand here on 1 of 1 holds",
        "at least 0.7 of the speed-up by hand there on 1 of 2; MISSED on MLP, forward (0.50)",
    ]
    head, _, first, second = _rows(markdown_table(rows))
    places = head.index("by hand here"), head.index("by hand there")
    assert [[cells[place] for place in places] for cells in (first, second)] == [
        ["2.50", "4"],
        ["", "2"],
    ]


def test_a_row_of_the_same_program_says_so_and_keeps_its_ratio():
    same = dataclasses.replace(PLAIN, speedup=0.95, same_program=True)
    other = dataclasses.replace(PLAIN, name="sort", speedup=0.96)
    assert [cells[-1] for cells in _rows(markdown_table([same, other]))[2:]] == [
        "same program",
        "-",
    ]
    assert verdicts([same, other])[:2] == [
        "slowest, softmax (same program): 0.950, at least 0.97 MISSED",
        "slowest of another program than jit's, sort: 0.960, at least 0.97 MISSED",
    ]
    assert verdicts([same, dataclasses.replace(other, speedup=0.9)])[0] == (
        "slowest, sort: 0.900, at least 0.97 MISSED"
    )
