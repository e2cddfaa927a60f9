"""`hf-catalog label` and `hf-catalog vocabulary`: arguments and a stream in, lines and objects out."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.names import parse_name
from analysis.vocabulary.vocabulary import packaged_files, vocabulary
from db.write.store import Store
from tests.crawler.cli.conftest import Ask
from tests.db.made import page

TABLES = ("tuning", "specialty", "format")  # those that docs/labels.md lists
GEMMA = "google/gemma-3-4b-it-qat-q4_0-gguf"
KEYS = [
    "input", "kind", "owner", "name", "family", "base_family", "base_version", "version", "release", "size",
    "parameters", "approximate", "active_parameters", "experts", "tuning", "specialty", "format", "quantized", "quant",
    "quant_method", "bits", "group_size", "qat", "imatrix", "dynamic", "context", "languages", "revision", "file",
    "role", "shard", "tokens", "unclaimed",
]  # fmt: skip


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


def test_json_is_an_object_a_name_with_every_key(hf_catalog: Ask) -> None:
    answer = hf_catalog("label", GEMMA, "Qwen3-8B-UD-Q4_K_XL.gguf", "--json")
    first, second = map(json.loads, answer.out.splitlines())
    assert (answer.status, answer.err) == (0, "")
    assert list(first) == KEYS
    assert first == parse_name(GEMMA).as_dict()
    assert list(first["tokens"][0]) == ["text", "start", "end", "label", "value", "rule"]
    assert (second["input"], second["quant"], second["dynamic"]) == ("Qwen3-8B-UD-Q4_K_XL.gguf", "Q4_K_XL", True)


def test_a_line_that_is_no_name_is_said_so_and_the_rest_go_on(hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b"gpt2", b"", b"a" * 513, b"tab\there", "Ωμέγα-7B".encode(), b"half \xff byte", b"a/b-Q4_K_M.gguf\r"]
    piped(monkeypatch, b"\n".join(lines))
    answer = hf_catalog("label", "-", "--json")
    found = [json.loads(line) for line in answer.out.splitlines()]
    assert answer.status == 0
    assert [each["input"][:8] for each in found] == [
        "gpt2",
        "",
        "a" * 8,
        "tab\there",
        "Ωμέγα-7B",
        "half \udcff b",
        "a/b-Q4_K",
    ]
    assert [sorted(each) == ["error", "input"] for each in found] == [False, True, True, True, False, True, False]
    assert found[4]["parameters"] == 7_000_000_000


def test_order_is_kept_over_many_lines_between_arguments(hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"".join(b"made/model-%db\n" % size for size in range(1, 1001)))
    answer = hf_catalog("label", "made/first", "-", "made/last", "--json")
    found = [json.loads(line)["input"] for line in answer.out.splitlines()]
    assert found == ["made/first", *(f"made/model-{size}b" for size in range(1, 1001)), "made/last"]


def test_people_see_what_the_name_claims(hf_catalog: Ask) -> None:
    answer = hf_catalog("label", GEMMA)
    assert answer.out.splitlines()[0] == GEMMA
    assert [line.split(maxsplit=1) for line in answer.out.splitlines()[1:6]] == [
        ["family", "gemma"], ["base_family", "gemma"], ["version", "3"], ["size", "4B"], ["parameters", "4,000,000,000"]
    ]  # fmt: skip
    assert "null" not in answer.out and "unclaimed" not in answer.out


def test_a_name_that_is_none_is_said_to_people_without_its_control_characters(hf_catalog: Ask) -> None:
    answer = hf_catalog("label", "a\x1b[31mb", GEMMA)
    assert answer.status == 0
    assert "\x1b" not in answer.out and GEMMA in answer.out


def test_explain_lists_each_part(hf_catalog: Ask) -> None:
    answer = hf_catalog("label", "--explain", "someone/Qwen3-0.6B-pelican")
    assert "600 million parameters" in answer.out
    assert "not in the vocabulary" in answer.out
    assert "corpus" not in answer.out and "unclaimed =" not in answer.out


def test_a_name_is_printed_as_a_case_for_the_corpus(hf_catalog: Ask) -> None:
    lines = hf_catalog("label", "--as-test", "someone/Qwen3-0.6B-pelican").out.rstrip().splitlines()
    assert (lines[0], lines[-1]) == ('["someone/Qwen3-0.6B-pelican"]', 'unclaimed = ["pelican"]')
    both = hf_catalog("label", "--explain", "--as-test", "someone/Qwen3-0.6B-pelican").out
    assert both.index("600 million parameters") < both.index('["someone/Qwen3-0.6B-pelican"]')


def test_label_needs_a_name(hf_catalog: Ask) -> None:
    assert hf_catalog("label").status == 2


def test_who_waits_for_an_answer_gets_it_while_the_stream_is_open() -> None:
    code = "from crawler.cli import main; main(['label', '-', '--json'])"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for name in ("gpt2", "", "bert-base-uncased"):
            process.stdin.write(f"{name}\n")
            assert json.loads(process.stdout.readline())["input"] == name
        process.stdin.write("no-newline-at-the-end")
        process.stdin.close()
        assert json.loads(process.stdout.read())["input"] == "no-newline-at-the-end"


def test_a_pipe_that_ends_early_is_no_failure() -> None:
    code = "from crawler.cli import main; main(['label', '-', '--json'])"
    text = "\n".join(["gpt2"] * 5000)
    head = subprocess.run(
        f'"{sys.executable}" -c "{code}" | head -n 1', shell=True, input=text, capture_output=True, text=True
    )
    assert json.loads(head.stdout)["family"] == "gpt2"
    assert head.stderr == ""


def test_vocabulary_lists_by_text_and_by_label(hf_catalog: Ask) -> None:
    rows = hf_catalog("vocabulary", "ls", "gemma", "--label", "family", "--json").json
    assert rows[0]["value"] == "gemma" and {row["label"] for row in rows} == {"family"}
    assert [row["value"] for row in hf_catalog("vocabulary", "ls", "--label", "flag", "--json").json] == [
        entry.value for entry in vocabulary().entries if entry.label == "flag"
    ]


def test_vocabulary_checks_itself_and_a_folder(hf_catalog: Ask, tmp_path: Path) -> None:
    own = hf_catalog("vocabulary", "check", "--json").json
    assert own["digest"] == vocabulary().digest and own["labels"]["family"] > 500
    for name, data in packaged_files().items():
        (tmp_path / f"{name}.toml").write_bytes(data)
    assert hf_catalog("vocabulary", "check", str(tmp_path), "--json").json["digest"] == own["digest"]
    (tmp_path / "schemes.toml").unlink()
    assert hf_catalog("vocabulary", "check", str(tmp_path), "--json").json["digest"] == own["digest"], (
        "the installed one"
    )
    (tmp_path / "tuning.toml").write_text('base = { words = ["base"] }\n', encoding="utf-8")
    faulty = hf_catalog("vocabulary", "check", str(tmp_path))
    assert faulty.status != 0 and "tuning.toml" in faulty.err and "about" in faulty.err
    (tmp_path / "words.toml").unlink()
    assert "words.toml" in hf_catalog("vocabulary", "check", str(tmp_path)).err


def test_vocabulary_suggests_from_a_catalog(hf_catalog: Ask, sqlite_db: str) -> None:
    """Every repo of the made page leaves `frobnitz` unclaimed, of one author."""
    with Store.open(sqlite_db) as store:
        store.save_page(store.start_run("crawl", "all", "here"), "all", page([1, 2, 3]))
    (row,) = hf_catalog("vocabulary", "suggest", "--db", sqlite_db, "--json").json
    assert (row["token"], row["repos"], row["authors"], row["of"]) == ("frobnitz", 3, 1, "gemma")
    assert hf_catalog("vocabulary", "suggest", "--db", sqlite_db, "--least", "4", "--json").json == []


def test_docs_name_every_value_that_a_list_can_hold() -> None:
    text = (Path(__file__).parents[3] / "docs" / "labels.md").read_text(encoding="utf-8")
    rows = [f"| `{entry.value}` | {entry.about} |" for entry in vocabulary().entries if entry.label in TABLES]
    assert [row for row in rows if row not in text] == []
