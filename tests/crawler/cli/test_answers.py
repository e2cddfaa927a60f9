"""Commands that answer: what people see, what programs get, what `-q` prints, how they fail."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.errors import CATALOG, DONE, NO, USAGE
from tests.crawler.cli.conftest import Ask
from tests.small_catalog import FORMULA, SCRIPT

QAT = "google/gemma-3-4b-it-qat-q4_0-gguf"
TABLES: dict[str, tuple[str, ...]] = {
    "models ls": ("models", "ls"),
    "models tree": ("models", "tree", QAT),
    "compare": ("compare", "google/gemma-3-4b-it", QAT),
    "fits": ("fits", "--ram", "16GB"),
    "changes": ("changes", "--since", "2026-10-01"),
    "query": ("query", "quantizations"),
    "query sql": ("query", "select repo_id, license from models order by repo_id"),
    "query list": ("query", "--list"),
    "memory": ("memory", "4B"),
    "fits presets": ("fits", "--preset", "list"),
}


RESTING_ON_COVERAGE = {"models ls", "compare", "fits", "query"}


def options(command: tuple[str, ...], db: str) -> tuple[str, ...]:
    return command if command[0] == "memory" else (*command, "--db", db)


PASTED = (
    f"https://huggingface.co/{QAT}/blob/main/gemma-3-4b-it-q4_0.gguf",
    f"hf.co/{QAT}:Q4_0",
    f"pkg:huggingface/{QAT}@0123456789abcdef0123456789abcdef01234567",
    f"{QAT}::gemma-3-4b-it-q4_0.gguf",
    f"ollama run hf.co/{QAT}:Q4_0",
)
TAKING_AN_ID = (
    ("models", "info"),
    ("models", "tree"),
    ("similar",),
    ("compare",),
    ("fits", "--ram", "16GB", "--gated", "--explain"),
)


@pytest.mark.parametrize("command", TAKING_AN_ID, ids=" ".join)
def test_pasted_references_are_ids(command: tuple[str, ...], small: str, hf_catalog: Ask) -> None:
    plain = hf_catalog(*command, QAT, "--db", small, "--json")
    assert plain.status == DONE and plain.json
    for text in PASTED:
        assert hf_catalog(*command, text, "--db", small, "--json").json == plain.json, text


def test_a_tree_marks_what_a_reference_names(small: str, hf_catalog: Ask) -> None:
    drawn = hf_catalog("models", "tree", PASTED[0], "--db", small).out
    assert [line.endswith("<") for line in drawn.splitlines() if QAT in line] == [True]


def test_a_crawl_of_named_repos_takes_addresses(hf_catalog: Ask) -> None:
    words = ("crawl", "--dry-run", "--json", "--repo")
    plain = hf_catalog(*words, QAT)
    assert plain.status == DONE and hf_catalog(*words, PASTED[0]).json == plain.json
    refused = hf_catalog(*words, "https://huggingface.co/datasets/rajpurkar/squad")
    assert refused.status == USAGE and "no repo id" in refused.err


# ---- what they print ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_every_table_comes_as_json_csv_lines_and_ids(name: str, small: str, hf_catalog: Ask) -> None:
    command = options(TABLES[name], small)
    human = hf_catalog(*command)
    assert human.status == DONE and human.out.count("\n") >= 2, human.err
    if name != "models tree":
        answer = hf_catalog(*command, "--json").json
        rows = answer["rows"] if name in RESTING_ON_COVERAGE else answer
        assert isinstance(rows, list) and rows
        lines = [json.loads(line) for line in hf_catalog(*command, "--nl").out.splitlines()]
        assert lines == rows
        separated = list(csv.DictReader(io.StringIO(hf_catalog(*command, "--csv").out)))
        assert [list(row) for row in separated] == [list(row) for row in rows]
        assert len(hf_catalog(*command, "-q").out.splitlines()) == len(rows)
    quiet = hf_catalog(*command, "-q")
    assert quiet.status == DONE and quiet.err == ""


def test_a_table_fits_its_terminal(small: str, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in ("80", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        for command in (TABLES["models ls"], TABLES["fits"], TABLES["compare"], TABLES["changes"]):
            lines = hf_catalog(*options(command, small)).out.splitlines()
            table = lines[: next((at for at, line in enumerate(lines) if not line), len(lines))]
            assert max(map(len, table)) <= int(columns), command


def test_untrusted_text_is_escaped(small: str, hf_catalog: Ask) -> None:
    text = hf_catalog("query", "select char(27) || '[2J' as clear, char(8238) as turned", "--db", small).out
    assert "\x1b" not in text and "\\x1b[2J" in text and "\\u202e" in text
    rows = hf_catalog("models", "ls", "--author", "stranger", "--csv", "--db", small).out
    assert f"'{FORMULA}".replace('"', '""') in rows
    raw = hf_catalog("models", "ls", "--author", "stranger", "--csv", "--raw", "--db", small).out
    assert f"'{FORMULA[:5]}" not in raw and FORMULA.replace('"', '""') in raw
    assert (
        hf_catalog("models", "ls", "--author", "stranger", "--json", "--db", small).json["rows"][0]["pipeline_tag"]
        == SCRIPT
    )


def test_info_shows_claims_measurements_costs_and_history(small: str, hf_catalog: Ask) -> None:
    text = hf_catalog("models", "info", QAT, "--db", small).out
    figures = ("4,000,000,000", "3,880,263,168", "Q4_0", "3.16 GB", "name says 4.5, tensors 6.5")
    for words in (
        *figures,
        "mmproj",
        "google/gemma-3-4b-it",
        "trained to be quantized",
        "bias and safety",
        "on request",
    ):
        assert words in text
    whole = hf_catalog("models", "info", QAT, "--json", "--db", small).json
    assert whole["parameters_measured"] == 3_880_263_168
    assert {cost["cost"] for cost in whole["costs"]} == {"precision", "accuracy", "bias"}
    weights = next(row for row in whole["artifacts"] if row["role"] == "weights")
    assert weights["needs"] > weights["total_size"]


def test_info_marks_the_best_file_of_the_machine(small: str, hf_catalog: Ask) -> None:
    asked = ("models", "info", "bartowski/google_gemma-3-4b-it-GGUF", "--db", small)
    laptop, small_card = hf_catalog(*asked).out, hf_catalog(*asked, "--preset", "2x RTX 4090").out
    assert "best for 16 GB RAM)" in laptop and "best for 51.5 GB VRAM)" in small_card
    best = hf_catalog(*asked, "--json").json
    assert (best["machine"], best["best"]) == ("16 GB RAM", "google_gemma-3-4b-it-Q8_0.gguf")
    assert hf_catalog(*asked, "--preset", "no such card").status == USAGE


def test_a_tree_is_drawn_and_marks_what_was_asked_for(small: str, hf_catalog: Ask) -> None:
    lines = hf_catalog("models", "tree", QAT, "--db", small).out.splitlines()
    assert lines[0].startswith("google/gemma-3-4b-it ") and lines[1].startswith(f"├── {QAT}") and lines[1].endswith("<")
    assert lines[-1].startswith("└── ")
    nested = hf_catalog("models", "tree", QAT, "--json", "--db", small).json
    assert len(nested["children"]) == 4


def test_fits_says_whom_it_left_out_of_a_crowd(small: str, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("fits", "--ram", "16GB", "--db", small)
    assert "not ranked yet" not in hf_catalog(*asked).err
    monkeypatch.setattr("analysis.catalog.fit_candidates.MAX_REPOS", 1)
    crowded = hf_catalog(*asked).err
    assert "not ranked yet only the 1 most downloaded were considered" in crowded and "db optimize" in crowded


def test_fits_describes_its_estimate(small: str, hf_catalog: Ask) -> None:
    asked = ("fits", "--ram", "16GB", "--context", "32k", "--family", "gemma", "--bits", "4", "--gated", "--all")
    answer = hf_catalog(*asked, "--db", small)
    assert QAT in answer.out and "QAT: under half" in answer.out
    assert "13.3 GB are available to models" in answer.err and "assumed: 50 GB/s" in answer.err
    assert "Coverage: 14 repos known; files read for 12 and headers for 8 of them." in answer.err
    left_out = hf_catalog("fits", "--ram", "16GB", "--db", small).err
    assert re.search(
        r"Of \d+ repos that were looked at, best first, are left out:\n  \d+: format needs an NVIDIA", left_out
    )
    fast = hf_catalog("fits", "--preset", "macbook-m4-16gb", "--json", "--db", small).json["rows"]
    slow = hf_catalog("fits", "--preset", "laptop-16gb", "--json", "--db", small).json["rows"]
    assert fast[0]["expected_tokens_per_second"] > 2 * slow[0]["expected_tokens_per_second"]


def test_a_chip_of_several_amounts_of_memory_asks_for_this_machines(small: str, hf_catalog: Ask) -> None:
    asked = ("fits", "--preset", "M3 Max 30-core", "--db", small)
    refused = hf_catalog(*asked)
    assert refused.status == USAGE and "add this one's, as in --preset 'M3 Max 30-core' --ram 16GB" in refused.err
    assert hf_catalog(*asked, "--ram", "36GB").status == DONE


def test_fits_gives_the_commands_that_run_the_first_row(small: str, hf_catalog: Ask) -> None:
    asked = ("fits", "--ram", "16GB", "--author", "bartowski", "--db", small)
    command = "ollama run hf.co/bartowski/google_gemma-3-4b-it-GGUF:Q8_0"
    assert command in hf_catalog(*asked).out
    answer = hf_catalog(*asked, "--json").json
    assert answer["use"]["Ollama"] == command
    assert answer["coverage"]["repos"] == 14 and answer["coverage"]["command"] is None
    assert answer["rows"][0]["base_model"] == "google/gemma-3-4b-it"


def test_fits_explains_a_place(small: str, hf_catalog: Ask) -> None:
    asked = ("fits", "--ram", "16GB", "--db", small, "--explain")
    text = hf_catalog(*asked, "bartowski/google_gemma-3-4b-it-GGUF").out
    assert "row 1 of 1" in text and "capability     +1.96" in text and "usable speed" in text
    left_out = hf_catalog(*asked, QAT)
    assert left_out.status == NO and "--gated" in left_out.err
    whole = hf_catalog(*asked, "bartowski/google_gemma-3-4b-it-GGUF", "--json").json
    assert sum(whole["score_parts"].values()) == pytest.approx(whole["score"], abs=0.05)


@pytest.mark.parametrize(
    ("option", "value", "nearest"),
    [
        ("--family", "gema", "gemma"),
        ("--quant", "Q4KM", "Q4_K_M"),
        ("--format", "ggug", "gguf"),
        ("--task", "embeding", "embedding"),
        ("--ram", "16", "16GB"),
    ],
)
def test_fits_refuses_unknown_values_with_the_nearest(
    small: str, hf_catalog: Ask, option: str, value: str, nearest: str
) -> None:
    refused = hf_catalog("fits", "--ram", "16GB", option, value, "--db", small)
    assert refused.status == USAGE and nearest in refused.err


def test_memory_is_arithmetic(hf_catalog: Ask) -> None:
    rows = hf_catalog("memory", "4B", "--json").json
    assert [(row["bits"], row["bytes"], row["saved_percent"]) for row in rows] == [
        (32, 16_000_000_000, 0), (16, 8_000_000_000, 50), (8, 4_000_000_000, 75), (4, 2_000_000_000, 87.5),
    ]  # fmt: skip
    assert "8 bits save 75%" in hf_catalog("memory").err
    (row,) = hf_catalog("memory", "8.03B", "--quant", "q4_k_m", "--json").json
    assert row["bytes"] == pytest.approx(4.58 * 2**30, rel=0.01)


def test_changes_come_as_a_feed(small: str, hf_catalog: Ask) -> None:
    feed = hf_catalog("changes", "--since", "2026-10-01", "--format", "atom", "--db", small).out
    assert feed.startswith("<?xml") and "old/vanished-7b: gone" in feed


def test_questions_are_listed_and_asked(small: str, hf_catalog: Ask) -> None:
    listed = hf_catalog("query", "--list", "--json").json
    assert len(listed) >= 30 and all(set(each) >= {"name", "title", "description", "parameters"} for each in listed)
    rows = hf_catalog("query", "best-under", "-p", "size", "3GB", "--json", "--db", small).json["rows"]
    assert rows[0]["quant"] == "Q4_K_XL"
    cut = hf_catalog("query", "select * from labels", "--limit", "3", "--db", small)
    assert "The first 3 rows" in cut.err and cut.out.count("\n") == 5


def test_sql_comes_from_stdin(small: str, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("select count(*) as n from models"))
    assert hf_catalog("query", "-", "--json", "--db", small).json == [{"n": 14}]


# ---- files ----------------------------------------------------------------------------------------------------------


def test_export_writes_a_folder_and_says_what(small: str, tmp_path: Path, hf_catalog: Ask) -> None:
    out = tmp_path / "out"
    answer = hf_catalog("export", str(out), "--db", small)
    assert answer.status == DONE and "models.csv" in answer.out and "2026-11-02" in answer.err
    names = [Path(line).name for line in hf_catalog("export", str(out), "-q", "--db", small).out.splitlines()]
    assert sorted([*names, "datapackage.json", "manifest.json"]) == sorted(path.name for path in out.iterdir())
    manifest = hf_catalog(
        "export", str(out), "--only", "by_family", "--only", "quantizations", "--json", "--db", small
    ).json
    assert [entry["table"] for entry in manifest["files"]] == ["by_family", "quantizations"]
    listed = hf_catalog("export", "--list", "-q").out.split()
    assert {"models", "by_license", "best-under"} <= set(listed)
    assert hf_catalog("export", "--db", small).status == USAGE


def test_report_and_charts_write_files(small: str, tmp_path: Path, hf_catalog: Ask) -> None:
    page = tmp_path / "report.html"
    assert hf_catalog("report", "--out", str(page), "--family", "gemma", "--db", small).status == DONE
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert hf_catalog("report", "--out", "-", "--db", small).out.startswith("<!doctype html>")
    pictures = hf_catalog("charts", str(tmp_path / "pictures"), "--dark", "-q", "--db", small).out.splitlines()
    assert len(pictures) == 12 and all(Path(path).stat().st_size > 1000 for path in pictures)


# ---- how they fail --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        (("models", "info", "goggle/gemma-3-4b-it"), NO, "google/gemma-3-4b-it"),
        (("compare", "google/gemma-3-4b-it", "nobody/nothing-at-all"), NO, "hf-catalog search"),
        (("query", "delete from repos"), NO, "more than read"),
        (("query", "select nosuch from models"), NO, "nosuch"),
        (("query", "quantisations"), USAGE, "quantizations"),
        (("query", "left-out"), USAGE, "perhaps skipped"),
        (("export", "x", "--only", "rising"), USAGE, "perhaps trending"),
        (("query", "best-under", "-p", "size", "much"), USAGE, "much"),
        (("query",), USAGE, "--list"),
        (("fits",), USAGE, "--ram"),
        (("fits", "--ram", "much"), USAGE, "16GiB"),
        (("fits", "--preset", "rtx-4091"), USAGE, "rtx-4090-24gb"),
        (("models", "ls", "--min-size", "big"), USAGE, "4B"),
        (("models", "ls", "--sort", "beauty"), USAGE, "downloads"),
        (("export", "x", "--only", "modles"), USAGE, "models"),
        (("export", "x", "--format", "ods"), USAGE, "parquet"),
        (("memroy",), USAGE, "memory"),
        (("memory", "14GB"), USAGE, "270M"),
        (("serve", "--port", "70000"), USAGE, "65535"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_argument_gives_an_error_of_two_lines(
    command: tuple[str, ...], status: int, words: str, small: str, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_CATALOG_DB", small)
    answer = hf_catalog(*command)
    assert (answer.status, answer.out) == (status, "")
    lines = answer.err.strip().splitlines()
    assert len(lines) == 2 and lines[0].startswith("Error: ") and lines[1].startswith("Hint: ")
    assert words in answer.err and "Traceback" not in answer.err


@pytest.mark.parametrize("command", ["models ls", "fits", "compare", "query", "changes"])
def test_a_catalog_that_cannot_be_used(command: str, tmp_path: Path, hf_catalog: Ask) -> None:
    text = tmp_path / "text.db"
    text.write_text("this is no database\n" * 40)
    for db in (str(tmp_path / "none.db"), str(text)):
        answer = hf_catalog(*options(TABLES[command], db))
        assert answer.status == CATALOG and answer.err.startswith("Error: ") and db in answer.err


def test_postgresql_is_not_served(hf_catalog: Ask) -> None:
    answer = hf_catalog("serve", "--db", "postgresql://somewhere/catalog")
    assert answer.status == CATALOG and "db copy" in answer.err


# ---- completion and the `hf` extension ------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(shell: str, hf_catalog: Ask) -> None:
    script = hf_catalog("completion", shell).out
    assert "_HF_CATALOG_COMPLETE" in script and "hf-catalog" in script


def test_the_manual_knows_every_command(hf_catalog: Ask) -> None:
    from crawler.cli import cli

    page = hf_catalog("completion", "man").out
    assert page.startswith(".TH HF\\-CATALOG 1")
    for name in cli.entries:
        assert f".SS {name}".replace("-", "\\-") in page, name
    assert ".B \\-\\-context N" in page and ".B 130" in page
    assert ".SH ENVIRONMENT\n.TP\n.B HF_CATALOG_DB\n" in page and ".B ~/.config/hf\\-catalog/config.toml\n" in page
    assert not [line for line in page.splitlines() if line.startswith("'")]


def test_bash_completes_commands_and_options(small: str) -> None:
    def completed(words: str, at: int) -> list[str]:
        env = {**os.environ, "_HF_CATALOG_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        program = Path(sys.executable).with_name("hf-catalog")
        done = subprocess.run([program], env=env, capture_output=True, text=True, check=False, timeout=300)
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert completed("hf-catalog mo", 1) == ["models"]
    assert set(completed("hf-catalog models ", 2)) == {"info", "ls", "tree"}
    assert "--family" in completed("hf-catalog fits --fam", 2)


def test_hf_runs_it_as_an_extension(tmp_path: Path) -> None:
    """By the very commands that docs/tour.md shows, in a home of its own, with no network."""
    tour = (Path(__file__).resolve().parents[3] / "docs" / "tour.md").read_text(encoding="utf-8")
    block = tour[tour.index("$ mkdir -p ~/.local/share/hf") :]
    script = block[: block.index("$ hf catalog fits")].replace("$ mkdir", "mkdir").replace("$ cat", "cat")
    programs = str(Path(sys.executable).parent)
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "HOME": str(tmp_path),
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_OFFLINE": "1",
    }
    subprocess.run(["bash", "-euc", script], env=env, check=True, timeout=300)
    for command in (["hf", "catalog"], ["hf", "extensions", "exec", "catalog", "--"]):
        done = subprocess.run(
            [f"{programs}/hf", *command[1:], "memory", "4B", "--json"], env=env, capture_output=True, text=True,
            timeout=300, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout)[-1]["bytes"] == 2_000_000_000


def light(*words: str) -> set[str]:
    """The packages that a command loads."""
    script = (
        "import sys; from crawler.cli import cli\n"
        f"cli.main({list(words)!r}, prog_name='hf-catalog', standalone_mode=False)\n"
        "print('\\n'.join(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "command",
    [
        "memory 4B",
        "query trending",
        "models ls",
        "models info google/gemma-3-4b-it",
        "status",
        "fits --ram 16GB",
        "changes",
    ],
)
def test_commands_load_no_more_than_they_need(command: str, small: str) -> None:
    heavy = {"pandas", "altair", "datasette", "huggingface_hub", "pyarrow", "alembic", "sqlalchemy"}
    words = command.split() if command.startswith("memory") else [*command.split(), "--db", small]
    assert not heavy & light(*words, "--json")


def test_help_has_an_example_that_works(small: str, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    import shlex

    monkeypatch.setenv("HF_CATALOG_DB", small)
    tried: list[Any] = []
    for command in ("models ls", "models info", "models tree", "compare", "fits", "changes", "query", "memory"):
        text = hf_catalog(*command.split(), "--help").out
        examples = [line.strip() for line in text.splitlines() if line.strip().startswith("hf-catalog ")]
        assert examples, command
        for line in examples:
            words = shlex.split(re.split(r" [>|] ", line)[0])[1:]
            answer = hf_catalog(*words)
            assert answer.status == DONE or "::" in line, f"{line}: {answer.err}"
            tried.append(line)
    assert len(tried) > 15


def test_info_takes_ids_from_stdin(small: str, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = "google/gemma-3-4b-it\nno/such\nunsloth/gemma-3-4b-it-GGUF\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ids.encode())))
    answer = hf_catalog("models", "info", "-", "--json", "--db", small)
    assert answer.status == 1 and "no/such" in answer.err
    found = [json.loads(line)["repo_id"] for line in answer.out.splitlines()]
    assert found == ["google/gemma-3-4b-it", "unsloth/gemma-3-4b-it-GGUF"]


def test_info_and_compare_state_the_same_loss(small: str, hf_catalog: Ask) -> None:
    """A 30B: its line of the loss is that of its size, not the perplexity of an 8B."""
    model = "unsloth/Qwen3-30B-A3B-GGUF"
    info = hf_catalog("models", "info", model, "--db", small).out
    assert "quality loss: KL divergence 0.02" in info and "perplexity" not in info
    assert "KL divergence 0.02" in hf_catalog("compare", model, QAT, "--db", small).out


def test_status_counts_one_crawl(small: str, hf_catalog: Ask, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy(small, copy)
    assert " in 2 crawls, " in hf_catalog("status", "--db", str(copy)).out
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("delete from crawl_runs where id = (select min(id) from crawl_runs)")
    assert " in 1 crawl, " in hf_catalog("status", "--db", str(copy)).out
