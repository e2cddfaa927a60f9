"""What shells are offered for values of options and arguments."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete

from crawler.cli import cli


def completed(*words: str) -> list[str]:
    """The values that are offered for the last word."""
    shell = ShellComplete(cli, {}, "hf-catalog", "_HF_CATALOG_COMPLETE")
    return [item.value for item in shell.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        (("models", "ls", "--family", "gem"), "gemini", "gemma"),
        (("fits", "--format", "safe"), "safetensors", "safetensors"),
        (("changes", "--quant", "q4_k"), "Q4_K", "Q4_K_XL"),
        (("fits", "--preset", "rtx-4090"), "rtx-4090-24gb", "rtx-4090-24gb"),
        (("query", "quantized-"), "quantized-copies", "quantized-copies"),
        (("changes", "--kind", "licen"), "licence", "licence"),
        (("models", "ls", "--tuning", "in"), "instruct", "instruct"),
        (("models", "ls", "--license", "apache"), "apache-2.0", "apache-2.0"),
        (("schema", "author"), "author_totals", "authors"),
        (("fits", "--task", "embed"), "embedding", "embedding"),
        (("models", "ls", "--columns", "repo"), "repo_id", "repo_id"),
        (("models", "ls", "--columns", "repo_id,down"), "repo_id,downloads", "repo_id,downloads_all_time"),
        (("query", "quantized-copies", "-p", "mod"), "model", "model"),
    ],
)
def test_values_of_the_vocabulary_and_the_tables(words: tuple[str, ...], first: str, last: str) -> None:
    offered = completed(*words)
    assert {first, last} <= set(offered)
    assert all(value.lower().startswith(words[-1]) for value in offered)


@pytest.mark.parametrize(
    "words",
    [
        ("models", "info", "--db", "{db}", "Google/gemma-3-4b-it"),
        ("models", "tree", "--db", "{db}", "google/gemma-3-4b-it"),
        ("similar", "--db", "{db}", "google/gemma-3-4b-it"),
        ("compare", "--db", "{db}", "x/y", "google/gemma-3-4b-it"),
        ("fits", "--db", "{db}", "--explain", "google/gemma-3-4b-it"),
        ("audit", "--db", "{db}", "google/gemma-3-4b-it"),
        ("sbom", "--db", "{db}", "google/gemma-3-4b-it"),
    ],
    ids=" ".join,
)
def test_ids_of_the_catalog_the_most_downloaded_first(words: tuple[str, ...], small: str) -> None:
    offered = completed(*(word.format(db=small) for word in words))
    assert offered == ["google/gemma-3-4b-it", "google/gemma-3-4b-it-qat-q4_0-gguf"]


def test_owners_and_tasks_of_the_catalog(small: str) -> None:
    assert completed("models", "ls", "--db", small, "--author", "goo") == ["google"]
    assert completed("fits", "--db", small, "--author", "GOO") == ["google"]
    assert completed("models", "ls", "--db", small, "--task", "text-gen") == ["text-generation"]
    assert "text-generation" in completed("fits", "--db", small, "--task", "text-")
    assert completed("models", "ls", "--db", small, "--author", "g%") == []
    assert "repo_id" not in completed("models", "ls", "--columns", "repo_id,repo")


def test_what_begins_as_a_path_is_completed_as_one(small: str) -> None:
    shell = ShellComplete(cli, {}, "hf-catalog", "_HF_CATALOG_COMPLETE")
    for typed in ("./mod", "/mod", "~/mod", "no-such-owner/x"):
        (only,) = shell.get_completions(["audit", "--db", small], typed)
        assert only.type == "file"


def test_no_catalog_completes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("HF_CATALOG_DB", f"{tmp_path}/none.db")
    assert completed("models", "info", "google") == []


def test_the_catalog_of_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, small: str) -> None:
    monkeypatch.setenv("HF_CATALOG_DB", small)
    assert completed("crawl", "--repo", "meta-") == ["meta-llama/Llama-3.1-8B-Instruct"]
    assert completed("models", "info", "100%") == []
