"""Names of the package: a public one stands in one module, so that a search finds what it is."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import roberta_inspect

PACKAGE = Path(roberta_inspect.__file__).parent

INTERFACES = {
    "CLAIMS": "the claims of each module, and all of them",
    "meaning": "what stands in the slot that a module of claims is about",
    "CALL": "how a consumer is called",
    "rows": "what a consumer hands over",
    "main": "of a program",
    "consumers": "of the library, and the command of that name",
    "diff": "of the library, and the command of that name",
}
"""A name that several modules share on purpose → what it means in each of them."""


def public_names(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node]
        for target in targets:
            name = getattr(target, "name", None) or getattr(target, "id", None)
            if isinstance(target, ast.AnnAssign) and isinstance(target.target, ast.Name):
                name = target.target.id
            if isinstance(name, str) and not name.startswith("_"):
                yield name


def test_a_public_name_stands_in_one_module() -> None:
    modules = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in set(public_names(path)):
            modules[name].append(path.relative_to(PACKAGE).as_posix())
    twice = {name: where for name, where in modules.items() if len(where) > 1}
    assert {name: twice[name] for name in twice.keys() - INTERFACES.keys()} == {}
    assert INTERFACES.keys() <= twice.keys()
