"""The page: whole by itself, and deaf to whatever stands in names and sources."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import jax.numpy as jnp
import pytest

import tracegraph as tg
from compiler.ir.errors import TracegraphError
from tests.tracegraph.report.asset_sources import ASSETS, SOURCES, TOOLS, stamp
from tracegraph.report.page import embedded, page

HOSTILE = "</script><img src=x onerror=alert(1)>@@CODE@@<!--\u2028&amp;'\""


class Elements(HTMLParser):
    """The elements of a page and the text in each script."""

    def __init__(self, text):
        super().__init__()
        self.found, self.scripts, self._open = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._open = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):  # noqa: ARG002 as the parser calls it
        self._open = ""

    def handle_data(self, data):
        if self._open == "script":
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def report():
    @tg.function
    def f(x):
        return jnp.sin(x) * 2

    return f.report(jnp.ones(3))


def test_nothing_is_fetched(report):
    elements = Elements(report.html)
    assert not [attrs for _, attrs in elements.found if {"src", "href", "srcset"} & attrs.keys()]
    assert not re.search(r"@import|url\(\s*['\"]?(?!data:)", (ASSETS / "report.css").read_text())
    assert len(elements.scripts) == 2


def test_hostile_text_stays_text(report):
    content = {**report.content, "function": HOSTILE, "notes": [HOSTILE]}
    text = page(content)
    elements = Elements(text)
    assert "img" not in [tag for tag, _ in elements.found]
    assert len(elements.scripts) == 2
    assert json.loads(elements.scripts[0])["notes"] == [HOSTILE]
    assert "<img" not in text.replace((ASSETS / "report.js").read_text(), "")


def test_only_the_code_of_the_page_may_run(report):
    elements = Elements(report.html)
    (policy,) = [
        attrs["content"]
        for tag, attrs in elements.found
        if attrs.get("http-equiv") and tag == "meta"
    ]
    digest = hashlib.sha256(elements.scripts[1].encode()).digest()
    assert f"script-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert policy.startswith("default-src 'none'")


def test_embedded_json_holds_no_markup():
    text = embedded({"a": HOSTILE})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": HOSTILE}


def test_a_notebook_shows_it_from_the_output_alone(report):
    shown = report._repr_html_()
    ((tag, attrs),) = Elements(shown).found
    assert tag == "iframe"
    assert attrs["sandbox"] == "allow-scripts"
    assert attrs["srcdoc"] == report.html
    assert html.unescape(attrs["title"]) == "tracegraph report of f"


def test_it_is_saved(report, tmp_path):
    assert report.save(tmp_path / "r.html") == tmp_path / "r.html"
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == report.html


def test_a_folder_that_is_not_there(report, tmp_path):
    with pytest.raises(TracegraphError) as caught:
        report.save(tmp_path / "no" / "r.html")
    assert str(caught.value) == (
        "the report cannot be written\n"
        f"  where: {tmp_path / 'no' / 'r.html'}\n"
        "  expected: a file in a folder that exists and may be written to\n"
        "  found: No such file or directory\n"
        "  what to do: make the folder, or name another file"
    )


def test_the_bundle_is_made_from_the_sources_as_they_are():
    bundle = (ASSETS / "report.js").read_text(encoding="utf-8")
    assert bundle.startswith(f"/* {stamp()} */"), "run scripts/build-report-assets"
    assert "</script" not in bundle.lower()
    assert "<!--" not in bundle


def test_the_licences_of_what_is_bundled_are_there():
    text = (ASSETS / "LICENSES.txt").read_text(encoding="utf-8")
    packages = json.loads((TOOLS / "package-lock.json").read_text())["packages"]
    bundled = [
        name.removeprefix("node_modules/")
        for name, p in packages.items()
        if name and not p.get("dev")
    ]
    assert bundled == ["@dagrejs/dagre", "@dagrejs/graphlib", "cytoscape"]
    assert all(f"{name} " in text for name in bundled)
    assert text.count("Permission is hereby granted") == len(bundled)


def test_the_lock_file_names_no_registry():
    assert "resolved" not in (TOOLS / "package-lock.json").read_text()


def test_the_code_of_the_page_makes_no_html_from_text():
    for file in SOURCES.glob("*.js"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text
        )
        assert text.count("\n") < 300
