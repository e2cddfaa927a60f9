"""`hf-catalog inventory`: lists from files and stdin, forms of output, exit statuses."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from crawler.cli.errors import DONE, NO, USAGE
from crawler.cli.inventory import MAX_LIST_BYTES, NAMES
from tests.crawler.cli.conftest import Ask

GEMMA = "google/gemma-3-4b-it"


def test_a_missing_entry_decides_the_exit_status(small: str, tmp_path: Path, hf_catalog: Ask) -> None:
    names = tmp_path / "names.txt"
    names.write_text(f"\ufeff{GEMMA}\nno/such\n", encoding="utf-8")
    found = hf_catalog("inventory", str(names), "--db", small, "--json")
    assert found.status == NO and "1 of 2 are missing or gone" in found.err
    assert [(list(row), row["status"]) for row in found.json] == [(list(NAMES), "gated"), (list(NAMES), "missing")]


def test_quiet_prints_the_ids_of_those_that_were_found(small: str, tmp_path: Path, hf_catalog: Ask) -> None:
    names = tmp_path / "names.txt"
    names.write_text(f"no/such\nhttps://huggingface.co/{GEMMA}\n", encoding="utf-8")
    assert hf_catalog("inventory", str(names), "--db", small, "-q").out.splitlines() == [GEMMA]


def test_notes_are_whole_however_long_the_address(
    small: str, tmp_path: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    address = f"https://huggingface.co/{GEMMA}/blob/main/a-file-that-this-repo-does-not-hold-at-all.gguf"
    names = tmp_path / "names.txt"
    names.write_text(f"{address}\n")
    said = " ".join(hf_catalog("inventory", str(names), "--db", small, "-t").out.split())
    assert f"{address}: access must be requested; it has no file a-file-that" in said


def test_stdin_is_a_list(small: str, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{GEMMA}\n".encode())))
    found = hf_catalog("inventory", "-", "--db", small, "--csv")
    assert found.status == DONE
    assert found.out.splitlines()[0] == ",".join(NAMES) and found.out.splitlines()[1].startswith(
        f"{GEMMA},{GEMMA},gated"
    )


def test_nothing_changed_is_said(small: str, tmp_path: Path, hf_catalog: Ask) -> None:
    names = tmp_path / "names.txt"
    names.write_text(GEMMA)
    found = hf_catalog("inventory", str(names), "--db", small, "--changed-since", "2026-11-20")
    assert found.status == DONE and "Nothing of 1 changed" in found.out + found.err


@pytest.mark.parametrize(
    ("content", "more", "words"),
    [
        (b"\xff\xfe\x00", (), "UTF-8"),
        (b"a,b\n1,2\n", ("--column", "c"), "no column 'c'"),
        (b"a" * (MAX_LIST_BYTES + 1), (), "more than"),
    ],
)
def test_lists_that_can_not_be_read(
    small: str, tmp_path: Path, hf_catalog: Ask, content: bytes, more: tuple[str, ...], words: str
) -> None:
    names = tmp_path / "names.txt"
    names.write_bytes(content)
    refused = hf_catalog("inventory", str(names), *more, "--db", small)
    assert (refused.status, words in refused.err) == (USAGE, True)


def test_an_id_in_place_of_a_list_is_answered_with_what_a_list_is(small: str, hf_catalog: Ask) -> None:
    said = hf_catalog("inventory", GEMMA, "--db", small)
    assert said.status == 2
    assert said.err.splitlines()[0].endswith("the list is a file with an id a line, or - for standard input"), said
