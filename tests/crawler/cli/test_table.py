"""Tables fit the terminal: what a row is about stays whole, and what has no room is named."""

from __future__ import annotations

import io
from typing import Any

import pytest

from crawler.cli.errors import CommandError
from crawler.cli.printer import Printer, wrap
from crawler.cli.table import Column, break_cell, cell_len, clip, lay_out, pad

ROWS: list[dict[str, Any]] = [
    {"repo_id": "google/gemma-3-4b-it", "task": "image-text-to-text", "downloads": 1_234_567, "license": "gemma"},
    {"repo_id": "a/b", "task": "text-generation", "downloads": 7, "license": None},
]


def printed(width: int | None = None, monkeypatch: pytest.MonkeyPatch | None = None, **options: Any) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    if monkeypatch:
        monkeypatch.setenv("COLUMNS", str(width))
    Printer(stdout=out, stderr=err, **options).rows(ROWS)
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("terminal", "shown", "widths"),
    [
        (None, 4, (20, 18, 9, 7)),
        (60, 4, (20, 18, 9, 7)),
        (59, 4, (20, 17, 9, 7)),
        (46, 3, (20, 13, 9)),
        (38, 2, (20, 16)),
        (29, 1, (20,)),
        (10, 1, (10,)),
    ],
)
def test_the_widest_cells_shrink_and_then_the_last_columns_go(
    terminal: int | None, shown: int, widths: tuple[int, ...]
) -> None:
    columns = [Column("repo_id"), Column("task"), Column("downloads", clip=False), Column("license", clip=False)]
    layout = lay_out(columns, ROWS, terminal)
    assert [column.key for column in layout.columns] == [column.key for column in columns[:shown]]
    assert [column.key for column in layout.dropped] == [column.key for column in columns[shown:]]
    assert layout.widths == widths


def test_columns_without_room_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = printed(30, monkeypatch)
    assert out.splitlines()[2] == "google/gemma-3-4b-it  image-t…"
    assert "No room for downloads,\n  license" in err and "--columns" in err


def test_nothing_is_cut_on_request_or_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "google/gemma-3-4b-it  image-text-to-text    1234567  gemma"
    assert printed(30, monkeypatch, truncate=False)[0].splitlines()[2] == line
    monkeypatch.delenv("COLUMNS")
    assert printed()[0].splitlines()[2] == line


def test_a_record_has_a_line_per_column() -> None:
    assert printed(vertical=True, picked=("repo_id", "license"))[0].splitlines() == [
        "repo_id  google/gemma-3-4b-it", "license  gemma", "", "repo_id  a/b", "license",
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["json", "csv", "nl"])
def test_columns_are_picked_in_every_form(mode: Any) -> None:
    out, _ = printed(mode=mode, picked=("downloads", "repo_id"))
    assert "gemma-3" in out and "license" not in out and "text-generation" not in out
    assert out.index("1234567") < out.index("gemma-3")


def test_an_unknown_column_is_refused_with_the_nearest() -> None:
    with pytest.raises(CommandError, match="no column 'licence'; perhaps license") as caught:
        printed(picked=("licence",))
    assert (caught.value.status, "downloads" in caught.value.hint) == (2, True)


def test_wide_letters_take_two_columns() -> None:
    assert (cell_len("模型"), clip("模型模型", 5), pad("模型", 6, right=True)) == (4, "模型…", "  模型")


def test_text_is_wrapped_but_commands_stay_whole() -> None:
    text = "Some models are not ranked yet; rank all with: hf-catalog db optimize --vacuum --db my.db"
    lines = wrap(text, 40).split("\n")
    assert lines == [
        "Some models are not ranked yet; rank all",
        "  with:",
        "  hf-catalog db optimize --vacuum --db my.db",
    ]
    assert wrap("short", 40) == "short"


def test_of_a_long_key_most_stays_and_later_columns_go() -> None:
    row = {"repo": "o" * 70, "quant": "Q4_K_M", "memory": "11.7 GB", "speed": "100-200"}
    narrow = lay_out([Column("repo"), *(Column(key, clip=False) for key in list(row)[1:])], [row], 80)
    assert narrow.widths == (63, 6, 7) and [column.key for column in narrow.dropped] == ["speed"]


def test_a_column_with_a_least_width_takes_the_room_of_the_last() -> None:
    row = {"repo": "o" * 30, "why": "w" * 60, "source": "s" * 20}
    columns = [Column("repo", clip=False), Column("why", least=20), Column("source")]
    assert lay_out(columns, [row], 70).widths == (30, 20, 16)
    narrow = lay_out(columns, [row], 56)
    assert narrow.widths == (30, 24) and [column.key for column in narrow.dropped] == ["source"]
    assert lay_out(columns, [row], 40).widths == (30, 8), "cut further rather than left out"


LONG_ID = {"id": "bartowski/mistralai_Mistral-Small-3.1-24B-Instruct-2503-GGUF", "quant": "IQ3_XS", "note": "n" * 20}


def test_a_long_key_takes_two_lines_where_other_columns_must_be_shown() -> None:
    columns = [Column("id"), Column("quant", "quantization", clip=False, must=True, short="quant"), Column("note")]
    layout = lay_out(columns, [LONG_ID], 50)
    first, second = layout.row(LONG_ID).split("\n")
    assert len(first) == 50
    assert first.split()[0] + second.strip() == LONG_ID["id"] and second.startswith("  ")
    assert first.endswith("IQ3_XS") and [column.key for column in layout.dropped] == ["note"]
    assert (
        layout.columns[1].heading == "quant" and lay_out(columns, [LONG_ID], 120).columns[1].heading == "quantization"
    )


def test_a_cell_is_broken_behind_hyphens_and_where_there_are_none() -> None:
    assert break_cell("owner/name-one-two", 11) == ["owner/name-", "one-two"]
    assert break_cell("abcdefghij", 6) == ["abcdef", "ghij"]
    assert "".join(break_cell(LONG_ID["id"], 24)) == LONG_ID["id"]
    assert max(map(len, break_cell(LONG_ID["id"], 24))) <= 24
