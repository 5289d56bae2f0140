"""The documentation is right: every block is run, and every link is followed.

`pytest tests/test_docs.py --update` writes the outputs and the pictures anew.
"""

from __future__ import annotations

import re

import pages
import pytest

from roberta_inspect import __version__
from roberta_inspect.claims import CLAIMS
from roberta_inspect.findings import ids

FINDINGS = pages.ROOT / "docs" / "findings.md"
CLAIMS_PAGE = pages.ROOT / "docs" / "how-it-works.md"


@pytest.mark.newest
@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_prints_what_the_page_shows(page, tmp_path, update):
    shown = page.read_text(encoding="utf-8")
    now = pages.rewritten(shown, tmp_path)
    if update:
        page.write_text(now, encoding="utf-8")
    else:
        changes = "\n".join(pages.differences(shown, now))
        assert not changes, f"--update would change the page:\n{changes}"


def test_one_changed_character_of_an_output_in_the_readme_is_seen():
    right = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [block for block in pages.BLOCK.finditer(right) if not block["exempt"]]
    block = max(blocks, key=lambda block: len(block["text"]))
    start = block.start("text")
    outputs = [line for line in re.finditer(r"^[^$\n].*$", block["text"], re.M) if line[0].strip()]
    assert len(outputs) > 20
    for line in outputs:
        at = start + line.start() + len(line[0]) // 2
        wrong = f"{right[:at]}{'x' if right[at] != 'x' else 'y'}{right[at + 1 :]}"
        assert pages.differences(wrong, right), f"a change is not seen in: {line[0]}"
    assert not pages.differences(right, right)


@pytest.mark.newest
@pytest.mark.parametrize("name", pages.IMAGES)
def test_a_picture_is_what_the_tool_writes(name, update):
    path = pages.ROOT / "docs" / "images" / name
    now = pages.image(name)
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
    shown = path.read_text(encoding="utf-8")
    assert pages.comparable(shown) == pages.comparable(now), f"--update would change {name}"


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    assert pages.broken_links(page) == []


@pytest.mark.parametrize(
    ("target", "broken"),
    [
        ("LICENSE", []),
        ("no-such-file.md", ["no-such-file.md"]),
        ("#a-title", []),
        ("#no-such-title", ["#no-such-title"]),
    ],
)
def test_a_broken_link_is_seen(target, broken, tmp_path):
    (tmp_path / "LICENSE").touch()
    page = tmp_path / "page.md"
    page.write_text(f"# A `title`\n\n[text]({target})\n", encoding="utf-8")
    assert pages.broken_links(page) == broken


def test_the_index_leads_to_every_page():
    linked = re.findall(r"\]\(([\w-]+\.md)", (pages.ROOT / "docs" / "index.md").read_text("utf-8"))
    assert {page.name for page in pages.PAGES} - {"README.md", "index.md"} == set(linked)


def test_one_version_stands_everywhere():
    changelog = (pages.ROOT / "docs" / "changelog.md").read_text(encoding="utf-8")
    assert re.search(r"^## (.+)$", changelog, re.M)[1] == __version__
    citation = (pages.ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.M)[1] == __version__


def test_every_finding_has_its_section():
    titles = re.findall(r"^## (.+)$", FINDINGS.read_text(encoding="utf-8"), re.M)
    assert titles == [f"`{finding}`" for finding in ids()]


def test_every_claim_is_explained():
    rows = re.findall(r"^\| `([a-z-]+)` \|", CLAIMS_PAGE.read_text(encoding="utf-8"), re.M)
    assert sorted(rows) == sorted(claim.id for claim in CLAIMS)


def test_the_readme_sets_up_on_its_first_screen_and_makes_its_checkpoint_before_it_uses_it():
    text = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    assert blocks == [
        "pip install -c tests/constraints.txt . && roberta-inspect run\n",
        "pip install -c tests/constraints.txt -e '.[test]' && pytest\n",
        "cp -r roberta_inspect/demo my-roberta\n",
    ]
    assert text[: text.index(blocks[1])].count("\n") < 25
    assert text.index(blocks[2]) < text.index("roberta-inspect run my-roberta")
