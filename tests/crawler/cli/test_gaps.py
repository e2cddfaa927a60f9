"""Commands on a catalog with gaps: they say how much was read, how to read the rest, what is the base model's."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.cli.errors import DONE, USAGE
from tests.analysis.catalog import gaps
from tests.crawler.cli.conftest import Ask


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> str:
    return gaps.build(tmp_path_factory.mktemp("listing") / "catalog.db", gaps.listed_only())


@pytest.fixture(scope="module")
def with_files(tmp_path_factory: pytest.TempPathFactory) -> str:
    return gaps.build(tmp_path_factory.mktemp("gaps") / "catalog.db", gaps.with_files())


@pytest.mark.parametrize(
    "command",
    [
        ("fits", "--ram", "16GB"),
        ("fits", "--ram", "16GB", "--format", "mlx"),
        ("models", "ls", "--quant", "Q5_K_M"),
        ("search", "nosuchword"),
        ("search", "qwen3"),
        ("query", "top-families"),
        ("compare", "listed/Qwen3-8B-Q4_K_M-GGUF", "listed/unknown-scheme"),
        ("query", "broken-files"),
    ],
)
def test_an_answer_that_needs_files_says_that_none_were_read(
    command: tuple[str, ...], listing: str, hf_catalog: Ask
) -> None:
    answer = hf_catalog(*command, "--db", listing)
    assert answer.status == DONE
    assert "Coverage: 2 repos known; files read for 0 and headers for 0 of them." in answer.err
    assert f"hf-catalog crawl --depth headers --limit 2 --db {listing}" in answer.err
    assert "Coverage" not in hf_catalog(*command, "--db", listing, "-q").err
    coverage = hf_catalog(*command, "--db", listing, "--json").json["coverage"]
    assert (coverage["repos"], coverage["files"], coverage["headers"]) == (2, 0, 0)
    assert coverage["command"] == f"hf-catalog crawl --depth headers --limit 2 --db {listing}"


def test_a_catalog_with_files_needs_no_hint(with_files: str, hf_catalog: Ask) -> None:
    answer = hf_catalog("models", "ls", "--quant", "Q4_K_M", "--db", with_files)
    assert answer.status == DONE and "Coverage" not in answer.err
    coverage = hf_catalog("models", "ls", "--columns", "repo_id", "--json", "--db", with_files).json["coverage"]
    assert coverage["command"] is None and coverage["files"] == coverage["repos"]


def test_info_of_a_repo_whose_files_were_not_read_says_how_to_read_them(listing: str, hf_catalog: Ask) -> None:
    asked = ("models", "info", "listed/unknown-scheme", "--db", listing)
    assert f"hf-catalog crawl --repo listed/unknown-scheme --db {listing}" in " ".join(hf_catalog(*asked).err.split())
    assert "crawl" not in hf_catalog("models", "info", "listed/unknown-scheme", "--json", "--db", listing).err


def test_fits_names_the_command_that_reads_headers_where_there_are_none(tmp_path: Path, hf_catalog: Ask) -> None:
    (tmp_path / "my catalogs").mkdir()
    db = gaps.build(tmp_path / "my catalogs" / "files.db", gaps.with_files()[1:3])
    command = f"hf-catalog crawl --depth headers --limit 2 --db '{db}'"
    assert command in hf_catalog("fits", "--ram", "16GB", "--db", db).err
    assert hf_catalog("fits", "--ram", "16GB", "--db", db, "--json").json["coverage"]["command"] == command


def test_info_shows_what_comes_from_the_base_model(with_files: str, hf_catalog: Ask) -> None:
    answer = hf_catalog("models", "info", "copies/Qwen3-8B-GGUF", "--db", with_files)
    assert "licence apache-2.0" in answer.out
    assert "from its base model: parameters 8,190,735,360, context 40,960, architecture qwen3" in answer.out
    assert "ollama run hf.co/copies/Qwen3-8B-GGUF:Q4_K_M" in answer.out
    whole = hf_catalog("models", "info", "copies/Qwen3-8B-GGUF", "--json", "--db", with_files).json
    assert whole["inherited"]["context_measured"] == {"value": 40_960, "source": "base"}
    assert whole["context_measured"] is None, "the repo's own value stays unknown"
    assert whole["use"]["llama.cpp"] == "llama-server -hf copies/Qwen3-8B-GGUF:Q4_K_M"


def test_info_fits_one_screen_and_shows_everything_when_asked(small: str, hf_catalog: Ask) -> None:
    asked = ("models", "info", "bartowski/google_gemma-3-4b-it-GGUF", "--db", small)
    short, long = hf_catalog(*asked).out, hf_catalog(*asked, "--all").out
    assert short.count("\n") < 45 and "History" not in short
    assert "History" in long and "Is it quantized?" in long
    line = next(line for line in short.splitlines() if "Q8_0.gguf" in line and "best" in line)
    assert line, "the best quantization for 16 GB is marked"


@pytest.mark.parametrize(
    ("option", "value", "nearest"),
    [
        ("--family", "gema", "gemma"),
        ("--quant", "Q4KM", "Q4_K_M"),
        ("--format", "ggug", "gguf"),
        ("--tuning", "instuct", "did you mean instruct"),
        ("--tuning", "%", "%"),
        ("--license", "apachee-2.0", "did you mean apache-2.0"),
    ],
)
def test_models_ls_refuses_unknown_values(small: str, hf_catalog: Ask, option: str, value: str, nearest: str) -> None:
    refused = hf_catalog("models", "ls", option, value, "--db", small)
    assert refused.status == USAGE and nearest in refused.err


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (("changes", "--family", "gema"), "gemma"),
        (("changes", "--quant", "Q4KM"), "Q4_K_M"),
        (("changes", "--kind", "license"), "did you mean licence?"),
        (("changes", "--kind", "x"), "the kinds are new, renamed, commit, licence,"),
        (("watch", "add", "w", "--change", "renames", "--to", "print"), "renamed"),
        (("query", "best-undr"), "best-under"),
        (("query", "best-under", "-p", "modl", "x"), "its parameters are model, size"),
        (("export", "folder", "--only", "vanishd"), "vanished"),
    ],
)
def test_other_commands_refuse_unknown_values(
    small: str, hf_catalog: Ask, words: tuple[str, ...], nearest: str
) -> None:
    refused = hf_catalog(*words, "--db", small)
    assert refused.status == USAGE and nearest in refused.err


def test_a_crawl_of_some_models_reads_headers_and_the_plan_says_what_that_costs(
    tmp_path: Path, hf_catalog: Ask
) -> None:
    nothing = str(tmp_path / "none.db")
    limited = hf_catalog("plan", "--limit", "2000", "--db", nothing).err
    assert "reads to the depth headers: 2,857 API and 3,420 file requests, 26.6 min without a token" in limited
    assert "reads to the depth files" in hf_catalog("plan", "--db", nothing).err
    assert "reads to the depth listing" in hf_catalog("plan", "--limit", "9", "--depth", "listing", "--db", nothing).err
