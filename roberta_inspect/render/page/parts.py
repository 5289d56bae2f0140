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
from roberta_inspect.render.blocks import LEVEL, STATUS, Mark
from roberta_inspect.render.diagram import stylesheet
from roberta_inspect.render.html import Html, HtmlContent, joined, tag
from roberta_inspect.text import safe


@cache
def asset(name: str) -> str:
    """One of the files beside this one that go into a page as they are."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def document(title: str, *body: HtmlContent, data: Mapping[str, Any] | None = None) -> str:
    """A whole page with its policy, its style and, where it has data, its script.

    Args:
        title: plain text.
        body: of the page.
        data: for the script; no script runs where it is `None`.
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
    """Data for the script, escaped so that it cannot end the element."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return tag("script", Html(text.replace("<", "\\u003c")), type="application/json", id="data")


def heading(title: str, subject: str, verdict: str, *, ok: bool | None) -> Html:
    """The head of a page: what it is about, and the verdict."""
    return tag(
        "header",
        tag("p", title, class_="what"),
        tag("h1", safe(subject)),
        tag(
            "p",
            tag("b", f"{phrases.SIGN[ok]} "),
            verdict,
            class_=f"verdict { {True: 'good', False: 'bad', None: 'warning'}[ok] }",
        ),
    )


def section(title: str, *contents: HtmlContent, **attributes: Any) -> Html:
    """A part of a page under a heading."""
    return tag("section", tag("h2", title), *contents, **attributes)


def fact_list(facts: Mapping[str, HtmlContent]) -> Html:
    """Labels and their facts; labels without a fact are left out."""
    pairs = [joined(tag("dt", label), tag("dd", words)) for label, words in facts.items() if words]
    return tag("dl", *pairs)


def table(heads: Sequence[HtmlContent], rows: Iterable[Iterable[Html]], *, name: str) -> Html:
    """A table of finished cells, which scrolls by itself where the page is narrower."""
    head = tag("tr", *(tag("th", column, scope="col") for column in heads))
    lines = [tag("tr", *row) for row in rows]
    whole = tag("table", tag("thead", head), tag("tbody", *lines))
    return tag("div", whole, class_="wide", tabindex=0, role="region", aria_label=name)


def cell(*contents: HtmlContent, **attributes: Any) -> Html:
    """A cell of a table."""
    return tag("td", *contents, **attributes)


def row_head(*contents: HtmlContent) -> Html:
    """The first cell of a row."""
    return tag("th", *contents, scope="row")


def code(text: str) -> Html:
    """A name or a piece of a program."""
    return tag("code", text)


def _mark(outcome: Status | Level, mark: Mark) -> Html:
    return tag("b", f"{mark.sign} {mark.word}", class_=f"mark {outcome}")


def findings_section(findings: Sequence[Finding]) -> Html | None:
    """The findings, the worst first."""
    if not findings:
        return None
    paragraphs = [
        tag(
            "li",
            _mark(finding.level, LEVEL[finding.level]),
            " ",
            code(phrases.name(finding.id)),
            tag("p", phrases.sentence(finding.message)),
            tag("p", "→ ", phrases.sentence(finding.hint), class_="hint") if finding.hint else None,
        )
        for finding in findings
    ]
    return section("Findings", tag("ul", *paragraphs, class_="plain"), class_="findings")


def proof_list(proofs: Sequence[Proof]) -> Html | None:
    """Each claim with its outcome, what was measured, its control and its power."""
    if not proofs:
        return None
    paragraphs = [
        tag(
            "li",
            _mark(proof.status, STATUS[proof.status]),
            " ",
            tag("span", phrases.sentence(proof.claim), class_="claim"),
            *(tag("p", words, class_="measured") for words in phrases.measured(proof)),
        )
        for proof in proofs
    ]
    return tag("ul", *paragraphs, class_="plain proofs")
