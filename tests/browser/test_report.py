"""The report in a browser: every part does what it is for, from a file and without a network."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

import tracegraph as tg
from tests.tracegraph.report.gallery import GALLERY

HOSTILE = "<img src=x onerror=alert(1)>"


@tg.function(donate_argnums=0)
def step(w, x):
    jnp.exp(x)  # is dead
    with jax.named_scope("first"):
        hidden = jnp.tanh(x @ w)
    with jax.named_scope("second"):
        scaled = jnp.sin(hidden) * 2 + 1
    total, _ = jax.lax.scan(lambda c, row: (jnp.cos(c + row.sum()), None), 0.0, scaled)
    return w - total, hidden


@pytest.fixture(scope="module")
def report():
    return step.report(jnp.ones((4, 4)), jnp.ones((3, 4)))


@pytest.fixture
def page(open_report, report):
    return open_report(report)


def test_it_opens_and_shows_the_function(page):
    assert page.page.inner_text("#name") == "@step"
    assert "ops" in page.page.inner_text("#summary")
    assert {"first ▾", "second ▾", "dot_general", "tanh"} <= set(page.shown())
    assert page.page.title() == "step · tracegraph report"


def test_search_finds_an_op_and_goes_from_one_to_the_next(page):
    page.page.keyboard.press("/")
    page.page.keyboard.type("tanh")
    page.until("document.querySelector('#found').textContent === '1 of 1'")
    assert page.selected() == ["tanh"]
    page.page.fill("#search", "first")
    page.until("document.querySelector('#found').textContent === '1 of 2'")
    page.page.keyboard.press("Enter")
    assert page.page.inner_text("#found") == "2 of 2"
    page.page.fill("#search", "no such thing")
    page.until("document.querySelector('#found').textContent === 'none'")
    assert page.selected() == []


def test_search_opens_the_groups_around_what_it_finds(page):
    page.page.click("#collapse")
    assert "tanh" not in page.shown()
    page.page.fill("#search", "tanh")
    page.until("report.model.selection.size === 1")
    assert "tanh" in page.shown()


def test_the_slider_moves_over_the_passes(page):
    last = page.ask("report.model.stages.length - 1")
    assert last > 1
    page.page.focus("#stage")
    for _ in range(last):
        page.page.keyboard.press("ArrowLeft")
    assert page.page.inner_text("#stage-name").startswith(f"1 / {last + 1}")
    assert "exp" in page.shown()
    page.page.click("#later")
    assert page.page.inner_text("#stage-name").startswith(f"2 / {last + 1}")
    assert "removed" in page.page.inner_text("#change")


def test_a_removed_op_is_marked_where_it_was_and_then_gone(page):
    removing = page.ask("""
        report.model.content.stages.findIndex(
            (stage) => stage.removed.some((op) => report.model.ops[op].n === 'exp'))
    """)
    assert removing > 0
    page.do(f"report.model.showStage({removing})")
    assert page.ask("report.graph.view.nodes('.removed').map((n) => n.data('label'))")
    page.page.click("[data-tab=Changes]")
    assert "removed" in page.page.inner_text("#panel")
    page.do("report.model.showStage(report.model.stages.length - 1)")
    assert "exp" not in page.shown()


def test_a_click_on_a_line_selects_its_ops_and_back(page):
    page.page.click(".line:has-text('jnp.tanh(x @ w)')")
    assert sorted(page.selected()) == ["dot_general", "tanh"]
    assert page.ask("report.graph.view.nodes('.chosen').length") == 2
    page.page.click("#panel tr.link:has-text('sin')")
    assert page.selected() == ["sin"]
    assert "scaled = jnp.sin(hidden)" in page.page.inner_text(".line.chosen")
    assert page.page.inner_text("#details h3").endswith("sin")


def test_lines_carry_their_costs(page):
    row = page.page.locator(".line:has-text('jnp.tanh(x @ w)')")
    assert row.locator("b").inner_text() == "96"  # 2 · 3 · 4 · 4
    page.page.select_option("#source select", "ops")
    assert row.locator("b").inner_text() == "2"


@pytest.fixture(scope="module")
def timed():
    slow = tg.DeviceSpec("slow", {"f32": 1e3}, 1e2, "made up")
    return step.report(jnp.ones((4, 4)), jnp.ones((3, 4)), profile=True, device=slow)


def test_times_stand_in_the_head_the_table_and_on_the_lines(open_report, timed):
    page = open_report(timed)
    head = page.page.inner_text("#messages")
    assert "a call, the mean of 10" in head
    assert "on no op" in head
    assert "On slow at least" in head
    assert "made up" in head
    names = page.page.locator("#panel th button").all_inner_texts()
    assert {"time", "of all", "floor", "bound by"} <= set(names)
    row = page.page.locator("#panel tr.link:has-text('tanh')").first
    assert "memory" in row.inner_text()
    line = page.page.locator(".line:has-text('jnp.tanh(x @ w)')")
    page.page.select_option("#source select", "floor")
    assert line.locator("b").inner_text() == "2.56 s"  # (12 + 16 + 12) + (12 + 12) floats
    page.page.select_option("#source select", "time")
    assert line.locator("b").inner_text().endswith("s")
    row.click()
    assert "bound by memory" in page.page.inner_text("#details")
    page.page.click("[data-tab=Kernels]")
    assert "measured" in page.page.inner_text("#panel")


def test_a_report_without_times_has_no_columns_for_them(page):
    names = page.page.locator("#panel th button").all_inner_texts()
    assert not {"time", "floor"} & set(names)
    assert page.page.inner_text("#messages") == ""
    options = page.page.locator("#source option").all_inner_texts()
    assert options == ["FLOPs", "bytes", "ops"]


def test_groups_close_and_open(page):
    page.page.click("#collapse")
    closed = page.shown()
    assert {"first ▸", "second ▸"} <= set(closed)
    assert "tanh" not in closed
    page.do("report.graph.view.getElementById('/g:first').emit('tap')")
    assert "tanh" in page.shown()
    page.do("report.graph.view.getElementById('/g:first').emit('dbltap')")
    assert "tanh" not in page.shown()
    page.page.click("#expand")
    assert {"tanh", "sin"} <= set(page.shown())


def test_a_loop_opens_like_a_group(page):
    page.page.click("#collapse")
    assert "cos" not in page.shown()
    key = page.ask("[...report.graph.places.values()].find((p) => p.label === 'scan').key")
    page.do(f"report.graph.view.getElementById({key!r}).emit('tap')")
    assert {"cos", "inputs", "yield"} <= set(page.shown())


@pytest.mark.parametrize(
    ("tab", "text"),
    [
        ("Ops", "dot_general"),
        ("Inputs", "donated"),
        ("Memory", "Alive at the peak"),
        ("Kernels", "XLA's kernels"),
        ("Rules", "Near misses"),
        ("Constants", "bytes"),
    ],
)
def test_every_tab_has_content(page, tab, text):
    page.page.click(f"[data-tab={tab}]")
    assert text in page.page.inner_text("#panel")
    assert page.page.get_attribute(f"[data-tab={tab}]", "aria-selected") == "true"


def test_a_kernel_selects_its_ops(page):
    page.page.click("[data-tab=Kernels]")
    page.page.click(".columns section:nth-child(2) .card:has-text('dot_general')")
    assert "dot_general" in page.selected()


def test_what_stands_out_is_above_the_kernels(open_report):
    wide = jax.ShapeDtypeStruct((1024, 1024), jnp.float32)
    page = open_report(tg.function(lambda x: jnp.sin(x @ x) @ x).report(wide))
    page.page.click("[data-tab=Kernels]")
    page.page.click("summary:has-text('What stands out')")
    assert "written and read again" in page.page.inner_text("#panel details")


def test_a_table_sorts_by_a_heading(page):
    page.page.click("#panel th:has-text('FLOPs') button")
    assert "dot_general" in page.page.locator("#panel tr.link").first.inner_text()


def test_keys_walk_through_the_program(page):
    page.page.click("#graph", position={"x": 5, "y": 500})
    page.page.keyboard.press("n")
    assert page.selected() == ["input"]
    page.page.keyboard.press("o")
    assert page.selected() == ["dot_general"]
    page.page.keyboard.press("i")
    assert page.selected() == ["input"]
    before = page.ask("report.graph.view.pan().x")
    page.page.keyboard.press("ArrowLeft")
    assert page.ask("report.graph.view.pan().x") > before
    zoom = page.ask("report.graph.view.zoom()")
    page.page.keyboard.press("-")
    assert page.ask("report.graph.view.zoom()") < zoom
    page.page.keyboard.press("Escape")
    assert page.selected() == []
    page.page.keyboard.press("?")
    assert page.page.locator("#keys").is_visible()


def test_constants_are_shown_when_asked_for(page):
    assert "constant" not in page.shown()
    page.page.check("#constants-shown")
    assert "constant" in page.shown()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_readers_and_can_be_switched(open_report, report, scheme):
    page = open_report(report, color_scheme=scheme)
    background = "getComputedStyle(document.body).backgroundColor"
    first = page.ask(background)
    page.page.click("#theme")
    assert page.ask(background) != first
    assert (first == "rgb(255, 255, 255)") == (scheme == "light")


def test_a_failing_function_shows_its_error_and_its_line(open_report):
    page = open_report(GALLERY["failing"]())
    alert = page.page.inner_text("[role=alert]")
    assert alert.startswith("TypeError while the function was traced")
    assert "where" in alert
    assert 'logits = hidden @ params["second"]' in page.page.inner_text(".line.failing")
    assert "tanh" in page.shown()


def test_hostile_names_are_inert(open_report):
    def f(x):
        with jax.named_scope(HOSTILE):
            return jnp.tanh(x) * 2  # </script><script>alert(2)</script>

    f.__name__ = HOSTILE
    page = open_report(tg.function(f).report(jnp.ones(3)))
    assert page.page.inner_text("#name") == f"@{HOSTILE}"
    page.page.fill("#search", "tanh")
    page.until("report.model.selection.size === 1")
    for tab in ("Ops", "Changes", "Constants", "Inputs", "Memory", "Kernels", "Rules"):
        page.page.click(f"[data-tab={tab}]")
    assert page.ask("document.images.length") == 0
    assert page.ask("document.scripts.length") == 2
    assert "</script><script>alert(2)" in page.page.inner_text("#source")


def test_hostile_errors_are_inert(open_report):
    @tg.function
    def failing(x):
        raise ValueError(f"{HOSTILE}</script><script>alert(3)</script>")

    page = open_report(failing.report(jnp.ones(3)))
    assert HOSTILE in page.page.inner_text("[role=alert]")
    assert page.ask("document.images.length") == 0


def test_a_notebook_output_is_alive_in_its_frame(chromium, report, tmp_path):
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{report._repr_html_()}</body>")
    context = chromium.new_context(offline=True)
    page = context.new_page()
    page.goto(notebook.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready=yes]").wait_for(timeout=30_000)
    frame.locator(".line:has-text('jnp.tanh(x @ w)')").click()
    assert "2 ops" in frame.locator("#details").inner_text()
    context.close()
