"""``MODULE:FUNCTION``: what it finds, and what it says when there is nothing to find."""

from __future__ import annotations

import pytest

from compiler.ir.errors import TracegraphError
from tracegraph.cli.errors import Failure
from tracegraph.cli.targets import load_function

pytestmark = pytest.mark.usefixtures("project")


@pytest.mark.parametrize("place", ["user_project", "user_project.py"])
@pytest.mark.parametrize("name", ["step", "plain", "Model.forward"])
def test_finds_a_function_and_decorates_it(place, name):
    function = load_function(f"{place}:{name}")
    assert function.__wrapped__.__name__ == name.rpartition(".")[2]
    assert callable(function.graph)


def test_a_decorated_function_is_taken_as_it_is():
    function = load_function("user_project:step")
    assert function is load_function("user_project:step")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "user_project",
            "user_project does not name a function\n"
            "  expected: MODULE:FUNCTION, such as package.module:train_step or "
            "train.py:train_step\n"
            "  found: user_project, which is no file either\n"
            "  what to do: write the module or the file, a colon, and the function's name",
        ),
        (
            "user_projct:step",
            "there is no module user_projct\n"
            "  where: the target user_projct\n"
            "  expected: a module that Python can import from here\n"
            "  found: nothing of that name\n"
            "  what to do: did you mean user_project?",
        ),
        (
            "tracegraph.demo.modl:loss",
            "there is no module tracegraph.demo.modl\n"
            "  where: the target tracegraph.demo.modl\n"
            "  expected: a module that Python can import from here\n"
            "  found: nothing of that name in tracegraph.demo\n"
            "  what to do: did you mean model?",
        ),
        (
            "user_projct.py:step",
            "the file with the function does not exist\n"
            "  where: user_projct.py\n"
            "  expected: a Python file\n"
            "  found: nothing of that name\n"
            "  what to do: did you mean user_project.py?",
        ),
        (
            "user_project:stpe",
            "user_project has no function stpe\n"
            "  where: {project}/user_project.py\n"
            "  expected: one of Model, donating, keys, plain, raising, step\n"
            "  found: stpe\n"
            "  what to do: did you mean step?",
        ),
        (
            "user_project:Model.forwards",
            "user_project.Model has no function forwards\n"
            "  where: user_project.Model\n"
            "  expected: one of forward\n"
            "  found: forwards\n"
            "  what to do: did you mean forward?",
        ),
        (
            "user_project:value",
            "user_project:value is not a function\n"
            "  where: user_project:value\n"
            "  expected: a function, decorated or plain\n"
            "  found: a value of type int\n"
            "  what to do: name a function of this module after the colon",
        ),
    ],
)
def test_a_wrong_name_is_told(project, target, message):
    with pytest.raises(TracegraphError) as caught:
        load_function(target)
    assert str(caught.value) == message.replace("{project}", str(project))


def test_an_error_of_the_users_module_shows_only_the_users_frames(project):
    (project / "user_broken.py").write_text("import no_such_thing_at_all\n")
    with pytest.raises(Failure) as caught:
        load_function("user_broken:step")
    assert caught.value.exit_code == 1
    assert caught.value.message == (
        "Traceback (most recent call last):\n"
        f'  File "{project}/user_broken.py", line 1, in <module>\n'
        "    import no_such_thing_at_all\n"
        "ModuleNotFoundError: No module named 'no_such_thing_at_all'"
    )


def test_a_function_that_jax_refuses_is_told(project):
    (project / "user_kinds.py").write_text("def generator(x):\n    yield x\n")
    with pytest.raises(TracegraphError, match="user_kinds:generator cannot be traced") as caught:
        load_function("user_kinds:generator")
    assert "a generator function" in caught.value.found
    assert caught.value.where == "user_kinds:generator"


def test_static_names_a_parameter():
    with pytest.raises(TracegraphError) as caught:
        load_function("user_project:plain", ["k"])
    assert str(caught.value) == (
        "user_project:plain has no parameter k\n"
        "  where: --static k\n"
        "  expected: one of x, n\n"
        "  found: k\n"
        "  what to do: name a parameter of the function"
    )


def test_static_is_refused_for_a_decorated_function():
    with pytest.raises(TracegraphError) as caught:
        load_function("user_project:step", ["scale"])
    assert str(caught.value) == (
        "--static cannot change user_project:step\n"
        "  where: user_project:step\n"
        "  expected: a plain function\n"
        "  found: a function that is already decorated\n"
        "  what to do: leave --static out: the decorator says which arguments are static"
    )
