from __future__ import annotations

import pytest
from hypothesis import given

from compiler.ir import TracegraphError
from compiler.passes.pipeline import DEFAULT_PIPELINE, Pipeline, parse_pipeline
from tests.strategies.pipelines import pipelines


@given(pipelines())
def test_the_text_says_everything(pipeline: Pipeline) -> None:
    assert parse_pipeline(str(pipeline)) == pipeline


def test_the_default_is_canonical_text() -> None:
    assert str(parse_pipeline(DEFAULT_PIPELINE)) == DEFAULT_PIPELINE


@pytest.mark.parametrize(
    ("text", "computing", "marking"),
    [
        ("inline,fuse", "inline", "fuse"),
        ("fuse,inline,fuse{max_group_ops=2},fuse", "fuse,inline", "fuse{max_group_ops=2},fuse"),
        ("repeat{max=2}(fuse)", "repeat{max=2}(fuse)", ""),
        ("fuse", "", "fuse"),
        ("", "", ""),
    ],
)
def test_the_passes_at_the_end_that_only_mark_stand_apart(
    text: str, computing: str, marking: str
) -> None:
    assert tuple(map(str, parse_pipeline(text).split())) == (computing, marking)


def test_the_empty_pipeline() -> None:
    assert parse_pipeline(" ") == Pipeline()
    assert str(Pipeline()) == ""


def test_only_options_off_their_defaults_are_written() -> None:
    text = "inline{derivatives=false},fold-constants{max_elements=8},fold-constants"
    assert str(parse_pipeline(text)) == text
    assert str(parse_pipeline("fold-constants{max_elements=64}")) == "fold-constants"


def test_spaces_do_not_matter() -> None:
    spaced = " cse , repeat { max = 2 } ( dce , canonicalize ) "
    assert str(parse_pipeline(spaced)) == "cse,repeat{max=2}(dce,canonicalize)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("csee", "there is no pass named csee"),
        ("csee", "did you mean cse"),
        (
            "cse,folds",
            "expected: inline, canonicalize, fold-constants, cse, dce, rewrite, "
            "tile-rows, lower-platform, roll-layers, spread-dots, unroll, fuse, repeat",
        ),
        ("fold-constants{max_element=3}", "did you mean max_elements"),
        ("cse{a=1}", "no options"),
        ("fold-constants{max_elements=true}", "a whole number"),
        ("inline{derivatives=3}", "true or false"),
        ("cse,", "the name of a pass"),
        ("cse dce", "a comma or the end"),
        ("repeat(cse", "the end of the text"),
        ("repeat{max=0}(cse)", "N at least 1"),
        ("repeat{min=1}(cse)", "N at least 1"),
        ("repeat", "'('"),
        ("cse{", "the name of an option"),
        ("inline{max_ops}", "'='"),
        ("cse;dce", "';'"),
        ("repeat(" * 20 + "cse" + ")" * 20, "at most 16 levels"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(TracegraphError) as caught:
        parse_pipeline(text)
    assert message in str(caught.value)


def test_the_place_is_marked() -> None:
    with pytest.raises(TracegraphError) as caught:
        parse_pipeline("cse,csee,dce")
    *_, text, caret = caught.value.where.split("\n")
    assert text == "cse,csee,dce"
    assert caret == "    ^"
    lines = str(caught.value).split("\n")
    (marked,) = [i for i, line in enumerate(lines) if line.strip() == "^"]
    assert lines[marked - 1][lines[marked].index("^") :] == "csee,dce"
