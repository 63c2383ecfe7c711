"""Graph files that somebody broke: an error in four parts, exit code 2, and nothing written."""

from __future__ import annotations

import pytest

GRAPH = """\
tracegraph.ir 1
graph @f(%x: f32[4]) -> (f32[4]) {
  %a = sin %x : f32[4]
  %y = jit %a {name = "g"} : f32[4]
    jaxpr (%b: f32[4]) {
      %c = neg %b : f32[4]
      yield %c
    }
  return %y
}
"""
COMMANDS = ["opt", "reduce"]

BAD = {
    "empty": "",
    "cut in half": GRAPH[: len(GRAPH) // 2],
    "cut in a word": GRAPH[: GRAPH.index("yield") + 2],
    "another result": GRAPH.replace("neg %b : f32[4]", "neg %b : f32[5]"),
    "another element type": GRAPH.replace("sin %x : f32[4]", "sin %x : i32[4]"),
    "an unknown operation": GRAPH.replace("sin", "sinn"),
    "an unknown type": GRAPH.replace("sin %x : f32[4]", "sin %x : float[4]"),
    "a use before its definition": GRAPH.replace("sin %x", "sin %y"),
    "a use from outside": GRAPH.replace("neg %b", "neg %x"),
    "a name twice": GRAPH.replace("%c = neg %b", "%b = neg %b"),
    "an operand too many": GRAPH.replace("sin %x", "sin %x, %x"),
    "an operand too few": GRAPH.replace("sin %x", "sin"),
    "an attribute too many": GRAPH.replace("sin %x", "rev %x {axes = (0,), dimensions = (0,)}"),
    "a region too few": GRAPH.replace("jaxpr (", "jaxprs ("),
    "a huge number": GRAPH.replace('"g"', "9" * 5000),
    "a huge size": GRAPH.replace("f32[4]", "f32[99999999999999999999999]", 1),
    "ten thousand regions": GRAPH.replace("return", "op : ()\n r () {\n" * 10_000),
    "ten thousand tuples": GRAPH.replace('"g"', "(" * 10_000),
    "a line of ten megabytes": GRAPH.replace("sin %x", "sin " + "%x, " * 2_500_000),
    "zeros": "\0" * 1000,
    "control characters": GRAPH.replace("sin", "\x1b[31msin\x07"),
    "two graphs": GRAPH + GRAPH,
    "another program": "import jax\n\ndef f(x):\n    return jax.numpy.sin(x)\n",
}
BYTES = {
    "a picture": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "half a character": GRAPH.encode() + "ü".encode()[:1],
    "another encoding": GRAPH.encode("utf-16"),
}


def assert_refused(result, project) -> None:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.stderr
    for part in ("\n  where: bad.tg:", "\n  expected: ", "\n  found: ", "\n  what to do: "):
        assert part in result.stderr
    assert result.stderr.replace("\n", "").isprintable()
    assert len(result.stderr) < 2000
    assert [path.name for path in project.glob("*.tg")] == ["bad.tg"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", BAD)
def test_bad_text(cli, project, command, case):
    (project / "bad.tg").write_text(BAD[case])
    assert_refused(cli(command, "bad.tg", "-o", "out.tg"), project)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", BYTES)
def test_bytes_that_are_no_text(cli, project, command, case):
    (project / "bad.tg").write_bytes(BYTES[case])
    assert_refused(cli(command, "bad.tg", "-o", "out.tg"), project)


def test_the_graph_is_good_where_nothing_is_broken(cli, project):
    (project / "good.tg").write_text(GRAPH)
    assert cli("opt", "good.tg").exit_code == 0


def test_a_thousand_regions_are_not_too_many(cli, project):
    opened = "%y = jit %x : f32[4]\n jaxpr (%x: f32[4]) {\n" * 1000
    closed = "yield %x }\n" + "yield %y }\n" * 999
    text = "tracegraph.ir 1\ngraph @f(%x: f32[4]) -> (f32[4]) {\n"
    (project / "deep.tg").write_text(f"{text}{opened}{closed}return %y }}\n")
    result = cli("opt", "deep.tg", "--verify-each")
    assert result.exit_code == 0
    assert result.stdout == f"{text}  return %x\n}}\n"


def test_a_graph_is_no_function(cli, project):
    (project / "f.tg").write_text(GRAPH)
    result = cli("run", "f.tg")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("f.tg does not name a function\n")
