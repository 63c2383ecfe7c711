"""The suite's table shows the peers beside ours, and says who is ahead."""

from __future__ import annotations

from benchmarks.peers.results import Peers
from benchmarks.suite.report import markdown, markdown_table, peer_verdicts, peers_of, table
from tests.benchmarks.made_up import FORWARD, PEERS, PLAIN, ROWS


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_each_peer_has_a_column_and_a_dash_where_it_has_no_figure():
    head, _, forward, train, plain = map(_cells, markdown_table(ROWS, PEERS))
    assert head[-2:] == ["Quick ms", "Forward only ms"]
    assert forward[-2:] == ["3", "1"]
    assert train[-2:] == ["4.5", "-"]
    assert plain[-2:] == ["-", "-"]


def test_all_lines_of_the_table_have_as_many_cells():
    for peers in (PEERS, Peers()):
        assert len({len(_cells(line)) for line in markdown_table(ROWS, peers)}) == 1


def test_a_peer_without_any_of_the_rows_has_no_column():
    assert peers_of([PLAIN], PEERS) == ()
    assert peers_of([FORWARD], PEERS) == ("Quick", "Forward only")
    assert "Quick" not in markdown_table([PLAIN], PEERS)[0]


def test_the_verdict_says_on_how_many_we_are_ahead_and_where_not():
    assert peer_verdicts(ROWS, PEERS) == [
        "ahead of Quick on 1 of 2; not on MLP, train step (0.75)",
        "ahead of Forward only on 0 of 1; not on MLP, forward (0.50)",
    ]
    assert peer_verdicts([FORWARD], Peers({"Slow": ""}, {"MLP, forward": {"Slow": 1.0}})) == [
        "ahead of Slow on 1 of 1"
    ]
    assert peer_verdicts(ROWS, Peers()) == []


def test_the_page_ends_in_the_verdicts():
    text = markdown(ROWS, "a machine", (1e11, 1e10), PEERS)
    assert "- ahead of Quick on 1 of 2" in text
    assert "100 GFLOP/s" in text


def test_the_terminal_has_the_same_columns():
    found = table(ROWS, "a machine", PEERS)
    assert [column.header for column in found.columns] == _cells(markdown_table(ROWS, PEERS)[0])
    assert found.row_count == len(ROWS)
