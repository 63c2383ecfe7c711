from __future__ import annotations

import pytest

from compiler.ir import TracegraphError
from compiler.passes.configure import configured, transparent_form
from compiler.passes.pipeline import DEFAULT_PIPELINE, parse_pipeline
from compiler.passes.rewrite import Rewrite
from compiler.rewrite.pattern import op, var
from compiler.rewrite.rule import Rule

x = var("x")
RULE = Rule(name="a-rule", law="a law", pattern=op.neg(x), replace=lambda m: m.x)


def test_a_level_is_set_on_every_rewrite_pass():
    pipeline = parse_pipeline("cse,rewrite,repeat{max=2}(rewrite{skip=transposes},dce)")
    text = "cse,rewrite{numerics=exact},repeat{max=2}(rewrite{skip=transposes,numerics=exact},dce)"
    assert str(configured(pipeline, numerics="exact")) == text


def test_without_a_level_the_passes_keep_theirs():
    pipeline = parse_pipeline("rewrite{numerics=fast}")
    assert configured(pipeline) == pipeline


def test_an_unknown_level_is_an_error_even_if_no_pass_would_take_it():
    with pytest.raises(TracegraphError, match="no numerics level"):
        configured(parse_pipeline("cse"), numerics="loose")


def test_rules_are_tried_first_and_leave_no_text():
    pipeline = configured(parse_pipeline("cse,rewrite"), rules=[RULE])
    assert pipeline.steps[1].extra == (RULE,)
    assert str(pipeline) == "cse,rewrite"


def test_a_pipeline_without_a_rewrite_pass_gets_one_for_the_rules_alone():
    pipeline = configured(parse_pipeline("cse"), numerics="fast", rules=[RULE])
    _, last, _ = pipeline.steps
    assert last == Rewrite(rules="", numerics="fast", extra=(RULE,))


def test_the_transparent_form_of_the_default_pipeline():
    assert str(transparent_form(parse_pipeline(DEFAULT_PIPELINE))) == (
        "inline{derivatives=false},cse,dce,canonicalize,"
        "repeat{max=4}(fold-constants,canonicalize,cse,dce,rewrite{transparent=true})"
    )


@pytest.mark.parametrize(
    "text", ["rewrite{rules=transposes+reduce-of-transpose}", "rewrite{skip=transposes}"]
)
def test_names_of_tables_and_rules_are_options(text):
    assert str(parse_pipeline(text)) == text


@pytest.mark.parametrize("text", ["rewrite{rules=transposs}", "cse,rewrite{skip=transposes+no}"])
def test_a_name_that_no_rule_has_is_an_error_at_its_column(text):
    with pytest.raises(TracegraphError) as caught:
        parse_pipeline(text)
    assert "there is no rule and no table of rules named" in str(caught.value)
    assert f"column {text.index('rewrite') + 1}" in str(caught.value)


def test_a_level_that_does_not_exist_is_an_error_in_a_pipeline_too():
    with pytest.raises(TracegraphError, match="no numerics level named 'loose'"):
        parse_pipeline("rewrite{numerics=loose}")
