"""The benchmark writes its page. The measured numbers are not asserted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.newest
def test_the_benchmark_writes_its_page(tmp_path):
    script = Path(__file__).parent / "benchmark.py"
    page = tmp_path / "page.md"
    where = ["--folder", tmp_path / "folder", "--page", page]
    subprocess.run(
        [sys.executable, script, "--rounds", "1", "--only", "help", *where], check=True, timeout=120
    )
    text = page.read_text(encoding="utf-8")
    assert "--rounds 1 --folder FOLDER --only help\n" in text
    rows = re.findall(r"^\| `(.+?)` \| `.+?` \| wall time \| \d+\.\d{3} \| ≤ 0\.15 \|", text, re.M)
    assert rows == ["roberta-inspect --help", "roberta-inspect run --no-such-option"]
