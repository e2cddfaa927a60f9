"""docs/research.md: each of its questions is answered over the demo's snapshot, with a picture, in this process."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(  # found, not imported: altair takes seconds, in each process that collects tests
    not (find_spec("altair") and find_spec("duckdb")), reason="not installed: pip install '.[charts,analytics]'"
)
PAGE = Path(__file__).resolve().parents[3] / "docs" / "research.md"
FIRST, *PARTS = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("part", PARTS, ids=lambda text: text.partition("\n")[0])
def test_each_question_is_answered_with_a_picture(
    part: str, demo_snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "snapshot").symlink_to(demo_snapshot)
    names: dict[str, Any] = {}
    exec("\n".join([*BLOCK.findall(FIRST), *BLOCK.findall(part)]), names)  # noqa: S102  # of our own document
    (picture,) = re.findall(r"!\[[^\]]+\]\(research/([\w-]+\.svg)\)", part)
    drawn = (tmp_path / picture).read_text(encoding="utf-8")
    assert drawn.startswith("<svg") and 'role="graphics-symbol"' in drawn
    assert (PAGE.parent / "research" / picture).read_text(encoding="utf-8").startswith("<svg")


def test_there_are_eleven() -> None:
    assert len(PARTS) == 11


def test_gini_is_that_of_the_saved_query(demo: Path, demo_snapshot: Path, tmp_path: Path, monkeypatch: Any) -> None:
    from analysis.query.reader import run_query

    monkeypatch.chdir(tmp_path)
    (tmp_path / "snapshot").symlink_to(demo_snapshot)
    names: dict[str, Any] = {}
    exec("\n".join([*BLOCK.findall(FIRST), *BLOCK.findall(PARTS[1])]), names)  # noqa: S102
    with run_query(str(demo), "concentration", {}) as rows:
        (found,) = (row for row in rows.dicts() if (row["among"], row["what"]) == ("models", "downloads"))
    assert names["gini"] == pytest.approx(float(found["gini"]), abs=1e-4)
