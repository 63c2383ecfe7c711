"""Argument specs: what they give, and what is said of those that give nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from compiler.ir.errors import TracegraphError
from tracegraph.cli.arguments import Arguments, parse_arguments
from tracegraph.cli.errors import Failure
from tracegraph.cli.specs import parse_spec
from tracegraph.cli.targets import load_function


def make(spec, seed=0):
    return parse_spec(spec, "--arg").make(np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("spec", "shape", "dtype"),
    [
        ("f32[8,128]", (8, 128), jnp.float32),
        ("float32[2]", (2,), jnp.float32),
        ("i32[]", (), jnp.int32),
        ("bf16[4]", (4,), jnp.bfloat16),
        ("bool[3]", (3,), jnp.bool_),
        ("c64[2, 1]", (2, 1), jnp.complex64),
        ("u8[0]", (0,), jnp.uint8),
        ("i4[5]", (5,), jnp.int4),
        ("float8_e4m3fn[5]", (5,), jnp.float8_e4m3fn),
    ],
)
def test_a_type_is_a_shape_for_dump_and_an_array_for_run(spec, shape, dtype):
    assert parse_spec(spec, "--arg").abstract() == jax.ShapeDtypeStruct(shape, dtype)
    array = make(spec)
    assert isinstance(array, jax.Array)
    assert (array.shape, array.dtype) == (shape, dtype)


@pytest.mark.parametrize(
    ("spec", "name"),
    [("key<fry>[]", "key<fry>"), ("dtype<key<fry>>[2,3]", "key<fry>"), ("key<rbg>[4]", "key<rbg>")],
)
def test_keys(spec, name):
    found, described = make(spec), parse_spec(spec, "--arg").abstract()
    assert str(found.dtype) == name
    assert (found.shape, found.dtype) == (described.shape, described.dtype)


def test_contents_depend_on_the_seed_only():
    first, again, other = make("f32[16]", 1), make("f32[16]", 1), make("f32[16]", 2)
    assert jnp.array_equal(first, again)
    assert not jnp.array_equal(first, other)


def test_random_integers_may_serve_as_labels():
    assert set(make("i32[1000]").tolist()) == set(range(10))


@pytest.mark.parametrize(("fill", "value"), [("zeros", 0), ("ones", 1)])
def test_filled_arrays(fill, value):
    assert make(f"{fill}:f32[2]").tolist() == [value, value]


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ("3", 3),
        ("-2.5", -2.5),
        ("True", True),
        ("None", None),
        ("'relu'", "relu"),
        ("(1, 2)", (1, 2)),
    ],
)
def test_literals_are_python_values(spec, value):
    found = parse_spec(spec, "--arg")
    assert (type(found), found) == (type(value), value)


def test_a_file_gives_its_array(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(3, dtype=np.int32))
    assert parse_spec(f"{tmp_path}/x.npy", "--arg").tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04damaged", b"\x93NUMPY", b"text"])
def test_a_file_without_an_array_is_told(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(TracegraphError, match="the array cannot be read"):
        parse_spec(f"{tmp_path}/x.npy", "--arg")


def test_a_file_of_several_arrays_is_told(tmp_path):
    np.savez(tmp_path / "x", a=np.ones(3))
    (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    with pytest.raises(TracegraphError, match="the array cannot be read"):
        parse_spec(f"{tmp_path}/x.npy", "--arg")


F32 = jax.ShapeDtypeStruct((3,), jnp.float32)
I32 = jax.ShapeDtypeStruct((), jnp.int32)


@pytest.mark.parametrize(
    ("spec", "tree"),
    [
        ("{w: f32[3], 'b': i32[]}", {"w": F32, "b": I32}),
        ('{"a b": ones:f32[3], 2: 0.5, (1, "x"): None}', {"a b": F32, 2: 0.5, (1, "x"): None}),
        ("[f32[3], [i32[], ()], {}]", [F32, [I32, ()], {}]),
        ("(f32[3],)", (F32,)),
        ("( f32[3] , i32[], )", (F32, I32)),
        ("(f32[3])", F32),
        (
            "{layers: [{w: f32[3]}, {w: f32[3]}], step: i32[]}",
            {"layers": [{"w": F32}] * 2, "step": I32},
        ),
        ('[\'a, ]b\', "c\\"{", f32[3]]', ["a, ]b", 'c"{', F32]),
    ],
)
def test_trees_hold_specs_of_all_forms(spec, tree):
    found = Arguments((parse_spec(spec, "--arg"),), {}).abstract()
    assert found.args == (tree,)
    made = found_leaves(Arguments((parse_spec(spec, "--arg"),), {}).make(0).args)
    assert [type(leaf) for leaf in made if hasattr(leaf, "dtype")] == [type(jnp.ones(3))] * sum(
        isinstance(leaf, jax.ShapeDtypeStruct) for leaf in found_leaves(tree)
    )


def found_leaves(tree):
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in found_leaves(value)]
    if isinstance(tree, (list, tuple)):
        return [leaf for value in tree for leaf in found_leaves(value)]
    return [tree]


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ("{w: f32[3}", "{w: f32[3}"),
        ("{w: f32[3], b}", "b"),
        ("{f32[3]}", "f32[3]"),
        ("{[f32[3]]: 1}", "[f32[3]]: 1"),
        ("(f32[3]), (f32[3])", "(f32[3]), (f32[3])"),
        ("[f32[3],, f32[3]]", "[f32[3],, f32[3]]"),
        ("[f32[3], relu]", "relu"),
        ("(" * 5000 + "f32[3]" + ")" * 5000, "(" * 5000 + "f32[3]" + ")" * 5000),
    ],
)
def test_a_wrong_tree_is_told(spec, wrong):
    with pytest.raises(TracegraphError) as caught:
        parse_spec(spec, "--arg")
    assert caught.value.what == f"{wrong} is no argument"


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(
        "from typing import NamedTuple\n"
        "class P(NamedTuple):\n    w: float\n"
        "params = P(2.0)\n"
        "def start():\n    return P(3.0)\n"
        "def scaled(p, x):\n    assert isinstance(p, P)\n    return p.w * x\n"
        "def broken():\n    raise ValueError('of the user')\n"
    )
    return path


@pytest.mark.parametrize(("name", "factor"), [("params", 2.0), ("start", 3.0)])
def test_a_value_by_its_name_has_the_classes_of_the_function(module, name, factor):
    function = load_function(f"{module}:scaled")
    found = parse_arguments(function, [f"@{module}:{name}", "ones:f32[]"], []).make(0)
    assert function(*found.args) == factor
    inside = parse_spec(f"[@{module}:{name}, 1]", "--arg")
    assert inside == [(factor,), 1]


@pytest.mark.parametrize(
    ("name", "what", "hint"),
    [
        (":parms", "has no value parms", "did you mean params?"),
        ("", "does not name a value", "write the module or the file, a colon"),
        (":scaled", "missing a required argument: 'p'", "a function of no parameters"),
    ],
)
def test_a_value_that_is_not_there_is_told(module, name, what, hint):
    with pytest.raises(TracegraphError) as caught:
        parse_spec(f"@{module}{name}", "--arg")
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_what_fails_in_a_function_of_the_user_is_the_users(module):
    with pytest.raises(Failure, match="of the user"):
        parse_spec(f"@{module}:broken", "--arg")


DTYPES = (
    "bool, f16, bf16, f32, f64, i4, i8, i16, i32, i64, u4, u8, u16, u32, u64, c64, c128, "
    "key<fry>, key<rbg>, key<urbg>"
)
FORMS = (
    "a type such as f32[8,128], a Python literal such as 3.5 or True, a file.npy, @MODULE:NAME, "
    "or a dict, list or tuple of these"
)


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("f23[8]", ("there is no dtype f23", f"one of {DTYPES}", "f23", "did you mean f32?")),
        (
            "f32[8,x]",
            (
                "f32[8,x] has a dimension that is no size",
                "numbers separated by commas, such as [8,128]",
                "`x`",
                "correct the shape; a scalar has none: f32[]",
            ),
        ),
        (
            "f32",
            (
                "f32 is no argument",
                FORMS,
                "f32",
                "write the shape after the dtype, f32[] for a scalar; put quotes around a string",
            ),
        ),
        (
            "ones:key<fry>[]",
            (
                "ones:key<fry>[] is no argument",
                FORMS,
                "ones:key<fry>[]",
                "write the shape after the dtype, f32[] for a scalar; put quotes around a string",
            ),
        ),
        (
            "c128[2]",
            (
                "JAX has no c128 now: its 64-bit types are off",
                "a dtype of at most 32 bits",
                "c128",
                "use c64, or set the environment variable JAX_ENABLE_X64=1",
            ),
        ),
        (
            "absent.npy",
            (
                "the array cannot be read",
                "a file that numpy.save wrote",
                "No such file or directory",
                "check the path, and that the file holds one array of numbers",
            ),
        ),
    ],
)
def test_a_wrong_spec_is_told(spec, parts):
    what, expected, found, hint = parts
    with pytest.raises(TracegraphError) as caught:
        parse_spec(spec, f"--arg {spec}")
    assert str(caught.value) == (
        f"{what}\n"
        f"  where: --arg {spec}\n"
        f"  expected: {expected}\n"
        f"  found: {found}\n"
        f"  what to do: {hint}"
    )


@pytest.mark.parametrize(
    "spec",
    [
        "f32[99999999999999]",
        "ones:f32[99999999999999]",
        "f32[9999999999999999999999]",
        "key<fry>[99999999999999]",
    ],
)
def test_an_array_that_no_machine_holds_is_told(spec):
    found = parse_spec(spec, f"--arg {spec}")
    assert found.abstract().shape
    with pytest.raises(TracegraphError, match="cannot be made") as caught:
        found.make(np.random.default_rng(0))
    assert caught.value.where == f"--arg {spec}"
    assert caught.value.found


@pytest.mark.usefixtures("x64")
def test_wide_types_where_jax_has_them():
    assert make("f64[2]").dtype == jnp.float64


def scaled(x, scale=1.0):
    return x * scale


def test_arguments_in_order_and_by_name():
    found = parse_arguments(scaled, ["f32[2]"], ["scale=2.0"])
    assert found.abstract().args == (jax.ShapeDtypeStruct((2,), jnp.float32),)
    assert found.make(0).kwargs == {"scale": 2.0}


def test_arguments_that_do_not_fit_are_told():
    with pytest.raises(TracegraphError) as caught:
        parse_arguments(scaled, [], ["scale=2.0"])
    assert str(caught.value) == (
        "the arguments do not fit scaled: missing a required argument: 'x'\n"
        f"  where: {__file__}:{scaled.__code__.co_firstlineno}\n"
        "  expected: scaled(x, scale=1.0)\n"
        "  found: 0 --arg and 1 --kwarg\n"
        "  what to do: give one --arg SPEC per parameter, in order, or --kwarg NAME=SPEC"
    )


def test_a_keyword_that_is_given_twice_is_told():
    with pytest.raises(TracegraphError) as caught:
        parse_arguments(scaled, ["f32[2]"], ["scale=2.0", "scale=3.0"])
    assert str(caught.value) == (
        "the argument scale is given twice\n"
        "  where: --kwarg scale\n"
        "  expected: each name once\n"
        "  found: 2 times --kwarg scale=\n"
        "  what to do: leave all but one of them out"
    )


def test_a_keyword_that_the_function_has_not_is_named():
    with pytest.raises(TracegraphError, match="did you mean scale") as caught:
        parse_arguments(scaled, ["f32[2]"], ["scal=2.0"])
    assert "unexpected keyword argument 'scal'" in str(caught.value)


@pytest.mark.parametrize("text", ["scale", "=2", "a b=2"])
def test_a_wrong_keyword_is_told(text):
    with pytest.raises(TracegraphError) as caught:
        parse_arguments(scaled, ["f32[2]"], [text])
    assert str(caught.value) == (
        f"{text} is no keyword argument\n"
        f"  where: --kwarg {text}\n"
        "  expected: NAME=SPEC, such as scale=f32[] or training=True\n"
        f"  found: {text}\n"
        "  what to do: write the parameter's name, an equals sign, and the spec"
    )
