"""The parts of an HTML page: one file, which loads nothing and runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from roberta_inspect.records import Finding, Level, Proof, Status
from roberta_inspect.render import phrases
from roberta_inspect.render.diagram import stylesheet
from roberta_inspect.render.html import Content, Html, joined, tag
from roberta_inspect.text import safe

SIGNS: dict[Status | Level, tuple[str, str]] = {
    "proved": ("✓", "proved"),
    "refuted": ("✗", "refuted"),
    "not-tested": ("·", "not tested"),
    "error": ("✗", "error"),
    "warning": ("!", "warning"),
    "note": ("·", "note"),
}
"""Outcome → its sign and its word: no colour is the only carrier."""


@cache
def asset(name: str) -> str:
    """One of the files beside this one that go into a page as they are."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def document(title: str, *body: Content, data: Mapping[str, Any] | None = None) -> str:
    """A whole page with its policy, its style and, where there is something to do, its script.

    Args:
        title: plain text.
        body: of the page.
        data: what the script works with; no script runs where it is `None`.
    """
    style = f"{stylesheet()}{asset('page.css')}"
    script = asset("page.js") if data is not None else ""
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(style)),
    ]
    scripts = [] if data is None else [_data(data), tag("script", Html(script))]
    inside = joined(tag("head", *head, Html("\n")), tag("body", *body, *scripts), between="\n")
    return f"<!DOCTYPE html>\n{tag('html', inside, lang='en')}\n"


def policy(style: str, script: str) -> str:
    """A content security policy that allows this style and this script, and nothing else."""
    allowed = [f"script-src {_digest(script)}"] if script else []
    allowed += [f"style-src {_digest(style)}", "base-uri 'none'", "form-action 'none'"]
    return "; ".join(["default-src 'none'", *allowed])


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _data(data: Mapping[str, Any]) -> Html:
    """Data for the script, with nothing in it that could end the element."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return tag("script", Html(text.replace("<", "\\u003c")), type="application/json", id="data")


def heading(title: str, of: str, verdict: str, *, ok: bool) -> Html:
    """The head of a page: what it is about, and the verdict."""
    return tag(
        "header",
        tag("p", title, class_="what"),
        tag("h1", safe(of)),
        tag(
            "p",
            tag("b", "✓ " if ok else "✗ "),
            verdict,
            class_=f"verdict {'good' if ok else 'bad'}",
        ),
    )


def section(title: str, *contents: Content, **attributes: Any) -> Html:
    """A part of a page under a heading."""
    return tag("section", tag("h2", title), *contents, **attributes)


def facts(told: Mapping[str, Content]) -> Html:
    """Labels and what is said of them; those of which nothing is said are left out."""
    pairs = [joined(tag("dt", label), tag("dd", words)) for label, words in told.items() if words]
    return tag("dl", *pairs)


def table(heads: Sequence[Content], rows: Iterable[Iterable[Html]], *, name: str) -> Html:
    """A table that scrolls by itself where the page is narrower; `rows` hold finished cells."""
    head = tag("tr", *(tag("th", each, scope="col") for each in heads))
    lines = [tag("tr", *row) for row in rows]
    whole = tag("table", tag("thead", head), tag("tbody", *lines))
    return tag("div", whole, class_="wide", tabindex=0, role="region", aria_label=name)


def cell(*contents: Content, **attributes: Any) -> Html:
    """A cell of a table."""
    return tag("td", *contents, **attributes)


def row_head(*contents: Content) -> Html:
    """The first cell of a row."""
    return tag("th", *contents, scope="row")


def code(text: str) -> Html:
    """A name or a piece of a program."""
    return tag("code", text)


def mark(outcome: Status | Level) -> Html:
    """The sign and the word of an outcome."""
    return tag("b", " ".join(SIGNS[outcome]), class_=f"mark {outcome}")


def findings(of: Sequence[Finding]) -> Html | None:
    """What the user should know, the worst first."""
    if not of:
        return None
    told = [
        tag(
            "li",
            mark(each.level),
            " ",
            code(phrases.name(each.id)),
            tag("p", phrases.sentence(each.message)),
            tag("p", "→ ", phrases.sentence(each.hint), class_="hint") if each.hint else None,
        )
        for each in of
    ]
    return section("Findings", tag("ul", *told, class_="plain"), class_="findings")


def proofs(of: Sequence[Proof]) -> Html | None:
    """Each claim with its outcome, what was measured, its control and its power."""
    if not of:
        return None
    told = [
        tag(
            "li",
            mark(proof.status),
            " ",
            tag("span", phrases.sentence(proof.claim), class_="claim"),
            *(tag("p", words, class_="measured") for words in phrases.measured(proof)),
        )
        for proof in of
    ]
    return tag("ul", *told, class_="plain proofs")
