"""The plot and the page show what the result files say."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET

import pytest

from benchmarks.peers.results import Peers, read
from benchmarks.suite import plot
from benchmarks.suite.page import BEGIN, END, PAGE, page_with_results, read_suite, rows_of
from benchmarks.suite.plot import PICTURE, RESULTS, bars, digest
from tests.benchmarks.made_up import ALONE, PEERS, ROWS, suite


def test_bars_stand_by_group_and_the_fastest_first():
    rows = [
        {"name": name, "group": group, "speedup": speedup, "jit": 0.01}
        for name, group, speedup in (("a", "ops", 1.5), ("b", "plain", 1.0), ("c", "ops", 4.0))
    ]
    assert [bar.name for bar in bars(rows, Peers())] == ["c", "a", "b"]


def test_a_peer_stands_where_its_speed_over_jit_is():
    found = {bar.name: bar.peers for bar in bars(suite()["rows"], PEERS)}
    assert found["MLP, forward"] == {
        "Quick": pytest.approx(4 / 3),
        "Forward only": pytest.approx(4),
    }
    assert found["softmax"] == {}
    alone = {bar.name: bar.peers for bar in bars(suite()["rows"], ALONE)}
    assert alone["MLP, forward"] == {
        "Quick": pytest.approx(1 / 3),
        "Forward only": pytest.approx(1),
    }


def test_the_picture_is_svg_and_the_same_each_time(tmp_path):
    pytest.importorskip("matplotlib", reason="the plot has an environment of its own")
    from benchmarks.suite.drawing import draw

    found = bars(suite()["rows"], PEERS)
    files = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for file in files:
        draw(found, file, digest(found))
    texts = [node.text for node in ET.parse(files[0]).iter() if node.tag.endswith("text")]
    assert {"MLP, forward", "softmax", "Quick", "2.00"} <= set(texts)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_without_results_there_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plot, "RESULTS", tmp_path / "suite.json")
    assert plot.main() == 1
    assert capsys.readouterr().err.splitlines() == [plot.NO_RESULTS]


def test_without_matplotlib_there_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "suite.json").write_text("{}")
    monkeypatch.setattr(plot, "RESULTS", tmp_path / "suite.json")
    monkeypatch.delitem(sys.modules, "benchmarks.suite.drawing", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert plot.main() == 1
    assert capsys.readouterr().err.splitlines() == [plot.NO_MATPLOTLIB]


def test_the_kept_picture_shows_the_kept_results():
    kept = read_suite(RESULTS)
    if kept is None:
        assert not PICTURE.exists()
        return
    assert PICTURE.exists(), "run `make speed`"
    text = PICTURE.read_text(encoding="utf-8")
    ET.fromstring(text)
    assert digest(bars(kept["rows"], read())) in text, "run `make speed`"


def test_the_page_is_what_the_result_files_make_of_it():
    text = PAGE.read_text(encoding="utf-8")
    assert text == page_with_results(text, read_suite(RESULTS), read()), "run `make speed`"


def test_the_rows_of_the_result_file_are_rows():
    assert tuple(rows_of(suite())) == ROWS


def test_the_page_has_a_table_for_each_group_and_the_verdicts():
    page = page_with_results(
        f"before\n{BEGIN}\nwhat was there before\n{END}\nafter\n", suite(), PEERS
    )
    assert page.startswith(f"before\n{BEGIN}\n\n## Results\n")
    assert page.endswith(f"\n{END}\nafter\n")
    assert "what was there before" not in page
    assert page.index("### Whole programs") < page.index("| MLP, forward | 4 | 2 | 2.00 |")
    assert "- ahead of Quick on 1 of 2" in page
    assert "### Beside the peers\n\nMedians of Quick (quick 1.0, 2 threads); Forward" in page


def test_a_page_without_results_has_nothing_between_the_marks():
    page = f"before\n{BEGIN}\n\n{END}\nafter\n"
    assert page_with_results(page, None, Peers()) == page


def test_a_page_without_marks_is_an_error():
    with pytest.raises(ValueError, match="lost the marks"):
        page_with_results("no results here", suite(), PEERS)
