"""The documents about queries, exports and memory agree with the program."""

from __future__ import annotations

import re
from pathlib import Path

from analysis.fit.memory import saving_against, weight_bytes
from analysis.query.saved import saved_queries, saved_queries_page
from analysis.schemes.schemes import scheme_table
from analysis.units import parse_model_size, size_text

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_page_of_saved_queries_is_generated_from_their_files() -> None:
    written = (DOCS / "queries.md").read_text(encoding="utf-8")
    assert written == saved_queries_page(), "write it again: see saved_queries_page in analysis/query/saved.py"
    assert all(f"## {saved.title}" in written for saved in saved_queries())


def test_memory_table_has_computed_values() -> None:
    text = (DOCS / "memory.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+B) \| (.+) \|$", text, re.MULTILINE)
    assert [name for name, _ in rows] == ["1B", "4B", "8B", "14B", "32B", "70B"]
    for name, cells in rows:
        parameters = parse_model_size(name)[1]
        assert cells.split(" | ") == [size_text(weight_bytes(parameters, bits)) for bits in (32, 16, 8, 4)]
    assert f"8 bits save {saving_against(8):.0%} of 32, 4 bits {saving_against(4):.0%}".replace("%", " %") in text
    schemes = scheme_table().schemes
    assert f"{schemes['Q4_K_M'].file_bits:.2f} bits per weight, Q8_0 {schemes['Q8_0'].file_bits:.1f}" in text


def test_every_exported_table_is_described() -> None:
    from analysis.publish.manifest import TABLES
    from analysis.publish.summaries import SUMMARIES

    text = (DOCS / "exports.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?) \| .+ \| (.+) \|$", text, re.MULTILINE)
    described = {name: order for names, order in rows for name in re.findall(r"`(\w+)`", names)}
    assert described.keys() == {table.name for table in SUMMARIES} | {table.name for table in TABLES}
    for table in TABLES:
        order = re.findall(r"`(\w+)`", described[table.name])
        assert list(table.key[: len(order)]) == order, table.name
