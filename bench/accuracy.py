"""Precision and recall of the labels that names claim, by label and by class of model.

    python -m bench.accuracy [--names FOLDER] > docs/accuracy.md
    python -m bench.accuracy --write-baseline
    python -m bench.accuracy --write-published

The last one takes from docs/accuracy.md what the data set card of a snapshot says.

Without options: on the names that the repository holds, which are the same on every machine. `tests/corpus` has names
that a developer read; `tests/cross` names of other programs' own tests with what these read, by rules of their own. The
corpus was made along with the rules, so it shows what got worse and not how right the labels of other names are. That
is what `--names` is for: a folder with `fresh.jsonl`, names of 2025 and 2026 that were read by hand (`name`, `expect`),
and `params`, `active`, `gguf_quant`, `context` (.jsonl.gz) with what headers and publishers state (`id` and the value).

A label is right, wrong (another value, or one where the name claims none) or missed (none where the name claims one).
Precision is right / (right + wrong), recall right / (right + wrong + missed), both with Wilson's 95 % interval (JASA 22
(1927), 209-212). Of a list each member counts. tests/bench/test_accuracy.py compares the repository's own sets with
accuracy_baseline.json: no label may get worse.

Figures of 2026-11-28 are in docs/accuracy.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any, Literal

from analysis.names.parse import parse_name
from analysis.schemes.schemes import find_scheme_by_alias
from analysis.text import markdown_table

ROOT = Path(__file__).resolve().parents[1]
CORPUS, CROSS = ROOT / "tests/corpus", ROOT / "tests/cross"
BASELINE = Path(__file__).with_name("accuracy_baseline.json")
DOCUMENT, PUBLISHED = ROOT / "docs/accuracy.md", ROOT / "analysis/publish/label_accuracy.json"
PUBLISHED_SETS = {"Hard new names": "hand", "Values that headers and publishers state": "stated"}
"""Sections of the document about names that the repository does not hold -> their names in PUBLISHED."""

NO_LABELS = frozenset({"input", "kind", "owner", "name", "revision", "file", "tokens", "unclaimed"})
NORMAL_QUANTILE = 1.96  # of 95 %

Verdict = Literal["right", "wrong", "missed"]

CLASSES: Mapping[str, frozenset[str]] = {
    "embedding and reranking": frozenset({"embedding", "reranker"}),
    "image and video": frozenset({"image", "video", "text-to-image", "text-to-video", "diffusion"}),
    "speech and audio": frozenset({"audio", "asr", "tts", "speech", "music", "voice"}),
    "vision": frozenset({"vision", "ocr", "multimodal", "omni", "detection", "segmentation"}),
    "code and mathematics": frozenset({"code", "math"}),
}
TEXT = "text and others"


@dataclass(frozen=True, slots=True)
class Judged:
    """One label of one name, judged; `model_class` by the specialty that the name claims."""

    label: str
    model_class: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Counts:
    """How many labels are right, wrong and missed."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float | None:
        return share(self.right, self.right + self.wrong)

    @property
    def recall(self) -> float | None:
        return share(self.right, self.right + self.wrong + self.missed)


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def wilson(part: int, whole: int) -> tuple[float, float]:
    """Wilson's interval for a share, at 95 %."""
    square = NORMAL_QUANTILE**2
    middle = (part + square / 2) / (whole + square)
    half = NORMAL_QUANTILE / (whole + square) * sqrt(part * (whole - part) / whole + square / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


# ---- Judging --------------------------------------------------------------------------------------------------------


def equal(expected: Any, found: Any) -> bool:
    return bool(expected == found)


def judge(expected: Any, found: Any, same: Callable[[Any, Any], bool] = equal) -> Iterator[Verdict]:
    """Verdicts on one label. None, False and an empty list claim nothing; of lists each member is judged."""
    if isinstance(expected, list) or isinstance(found, list):
        wanted, said = set(expected or ()), set(found or ())
        for each in sorted(wanted | said):
            yield "right" if each in wanted & said else "missed" if each in wanted else "wrong"
    elif expected in (None, False):
        if found not in (None, False):
            yield "wrong"
    elif found in (None, False):
        yield "missed"
    else:
        yield "right" if same(expected, found) else "wrong"


def class_of(reading: Mapping[str, Any]) -> str:
    words = set(reading.get("specialty") or ())
    return next((name for name, members in CLASSES.items() if words & members), TEXT)


def judge_name(
    name: str, expected: Mapping[str, Any], labels: Iterable[str], same: Callable[[Any, Any], bool] = equal
) -> Iterator[Judged]:
    reading = parse_name(name).as_dict()
    for label in labels:
        for verdict in judge(expected.get(label), reading.get(label), same):
            yield Judged(label, class_of(reading), verdict)


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def judge_corpus() -> Iterator[Judged]:
    """Whole names, of which every label is stated, and the files of single labels."""
    for name, case in read_toml(CORPUS / "names.toml").items():
        yield from judge_name(name, case, sorted(parse_name(name).as_dict().keys() - NO_LABELS - {"quantized"}))
    for path in sorted(CORPUS.glob("*.toml")):
        if path.stem != "names":
            cases = read_toml(path)
            for name, value in cases["must"].items():
                yield from judge_name(name, {path.stem: value}, [path.stem])
            for name, value in cases["must_not"].items():
                reading = parse_name(name).as_dict()
                said = reading[path.stem] if isinstance(reading[path.stem], list) else [reading[path.stem]]
                if value in said or (value == "*" and said not in ([], [None])):
                    yield Judged(path.stem, class_of(reading), "wrong")


def judge_cross() -> Iterator[Judged]:
    """Names of other programs' tests, with the labels that these expect; "-" is none."""
    for path in sorted(CROSS.glob("*.toml")):
        for name, facts in read_toml(path).items():
            expected = {label: None if value == "-" else value for label, value in facts.items()}
            yield from judge_name(name, expected, facts, same_as_theirs)


def same_as_theirs(theirs: Any, ours: Any) -> bool:
    """Counts are written as `8B` and `A3B`."""
    counts = (f"{ours / 1e9:g}B", f"A{ours / 1e9:g}B") if isinstance(ours, int | float) else ()
    return str(theirs) == str(ours) or theirs in counts


# ---- Sets from elsewhere --------------------------------------------------------------------------------------------


def judge_fresh(path: Path) -> Iterator[Judged]:
    """Names read by hand. `a|b`: either; `!a`: not a; None: no value."""
    for line in filter(str.strip, path.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        reading = parse_name(row["name"]).as_dict()
        for label, expected in row["expect"].items():
            if label in reading:
                for verdict in judge_by_hand(expected, reading[label]):
                    yield Judged(label, class_of(reading), verdict)


def judge_by_hand(expected: Any, found: Any) -> Iterator[Verdict]:
    if isinstance(expected, list):
        said = {str(each).lower() for each in found or ()}
        for each in map(str, expected):
            members = set(each.lstrip("!").lower().split("|"))
            if each.startswith("!"):
                yield "wrong" if members & said else "right"
            else:
                yield "right" if members & said else "missed"
        return
    choices = str(expected).lower().split("|")
    if found in (None, []) and "null" in choices:
        yield "right"
    elif isinstance(expected, str):
        yield from judge(expected, found, lambda _, said: squeeze(said) in map(squeeze, choices))
    else:
        yield from judge(expected, found, near(0.03))


def squeeze(text: Any) -> str:
    return "".join(letter for letter in str(text).lower().removeprefix("v") if letter.isalnum() or letter == ".")


def near(tolerance: float) -> Callable[[Any, Any], bool]:
    def same(expected: Any, found: Any) -> bool:
        if isinstance(expected, bool) or not isinstance(expected, int | float):
            return bool(expected == found)
        return isinstance(found, int | float) and abs(found / expected - 1) <= tolerance

    return same


def same_scheme(expected: Any, found: Any) -> bool:
    """`UD-` and `i1-` are no part of a scheme; `FP16` is F16."""
    stem = re.sub(r"^(?:UD|I1)[-_]", "", str(expected).upper())
    scheme = find_scheme_by_alias(stem)
    return bool(found == (scheme.name if scheme else stem))


STATED: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Any], Callable[[Any, Any], bool]]] = {
    "params": ("parameters", lambda row: row["params_b"] * 1e9, near(0.25)),
    "active": ("active_parameters", lambda row: row["active_params_b"] * 1e9, near(0.15)),
    "gguf_quant": ("quant", lambda row: row["quant"], same_scheme),
    "context": ("context", lambda row: row["context"], near(0.06)),
}
"""Files of stated values -> the label, its value, and when a reading equals it: names round."""


def judge_stated(folder: Path) -> Iterator[Judged]:
    """What headers and publishers state. A row with `stated` false has a value that its name does not claim."""
    for stem, (label, value_of, same) in STATED.items():
        path = folder / f"{stem}.jsonl.gz"
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines() if path.exists() else []
        for row in map(json.loads, lines):
            reading = parse_name(row["id"]).as_dict()
            unstated = row.get("stated") is False and reading[label] is None
            of_file_type = " - " in str(row.get("quant"))  # llama.cpp's words for a file type: not of the name
            if not unstated and not of_file_type and not row.get("draft_or_adapter"):
                for verdict in judge(value_of(row), reading[label], same):
                    yield Judged(label, class_of(reading), verdict)


# ---- Output ---------------------------------------------------------------------------------------------------------


def count(judged: Iterable[Judged], key: Callable[[Judged], str]) -> dict[str, Counts]:
    tallies: dict[str, dict[str, int]] = defaultdict(lambda: {"right": 0, "wrong": 0, "missed": 0})
    for each in judged:
        tallies[key(each)][each.verdict] += 1
    return {name: Counts(**tally) for name, tally in sorted(tallies.items())}


def own_sets() -> dict[str, dict[str, Counts]]:
    """Counts by label of the sets that the repository holds."""
    sets = {"corpus": judge_corpus(), "cross": judge_cross()}
    return {name: count(judged, lambda each: each.label) for name, judged in sets.items()}


def table(title: str, counted: Mapping[str, Counts]) -> str:
    rows = []
    for name, each in counted.items():
        answered, claimed = each.right + each.wrong, each.right + each.wrong + each.missed
        rows.append((name, str(claimed), str(each.right), str(each.wrong), str(each.missed),
                     rate(each.right, answered), rate(each.right, claimed)))  # fmt: skip
    return markdown_table((title, "claimed", "right", "wrong", "missed", "precision", "recall"), rows)


def rate(part: int, whole: int) -> str:
    """`98.2 % (97.1 to 99.0)`."""
    if not whole:
        return ""
    low, high = wilson(part, whole)
    return f"{100 * part / whole:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def section(title: str, text: str, judged: Iterable[Judged]) -> str:
    found = list(judged)
    by_label, by_class = count(found, lambda each: each.label), count(found, lambda each: each.model_class)
    return f"## {title}\n\n{text}\n\n" + "\n".join((table("label", by_label), table("class", by_class)))


INTRODUCTION = """# How right the labels of names are

<!-- Made by `python -m bench.accuracy > docs/accuracy.md`, with `--names` for sets that the repository does not hold;
do not edit. -->

What a name claims, as read by `hf-catalog label`, against what people, headers and publishers say. A label is right,
wrong (another value, or one where the name claims none) or missed. Precision is right / (right + wrong), recall right /
claimed, each with Wilson's 95 % interval. Classes go by the specialty that the name claims.

The tests compare the repository's own sets with a stored baseline, `bench/accuracy_baseline.json`: no label may get
worse.
"""


def write_document(names: Path | None) -> str:
    parts = [INTRODUCTION]
    if names is not None and (names / "fresh.jsonl").exists():
        text = "Names of 2025 and 2026 of kinds that parsers fail at, read by hand; not held by the repository."
        parts.append(section("Hard new names", text, judge_fresh(names / "fresh.jsonl")))
    if names is not None:
        text = (
            "Counts within 25 % (active: 15 %), contexts within 6 %, schemes as stated, for names that state them. A\n"
            "name's count is nominal, so that a right reading may differ from the header. Not held by the repository."
        )
        parts.append(section("Values that headers and publishers state", text, judge_stated(names)))
    text = "Names of the tests of gguf-py, llama.cpp's web UI and huggingface.js, with what these programs read."
    parts.append(section("Other programs' tests", text, judge_cross()))
    text = "Names that a developer read, made along with the rules: it shows what gets worse, not how others are read."
    parts.append(section("The corpus", text, judge_corpus()))
    return "\n".join(parts)


def read_published(document: str) -> dict[str, dict[str, list[int]]]:
    """Right, wrong and missed of each label in the sections of PUBLISHED_SETS, as the document states them."""
    found: dict[str, dict[str, list[int]]] = {}
    for part in document.split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        if title in PUBLISHED_SETS:
            rows = text.partition("| label |")[2].partition("\n\n")[0].splitlines()[2:]
            cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
            found[PUBLISHED_SETS[title]] = {name: [int(each) for each in counts[1:4]] for name, *counts in cells}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=Path, metavar="FOLDER")
    parser.add_argument("--write-baseline", action="store_true")
    parser.add_argument("--write-published", action="store_true")
    options = parser.parse_args()
    if options.write_baseline:
        stored = {
            name: {label: [each.right, each.wrong, each.missed] for label, each in counted.items()}
            for name, counted in own_sets().items()
        }
        BASELINE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    elif options.write_published:
        published = read_published(DOCUMENT.read_text(encoding="utf-8"))
        PUBLISHED.write_text(json.dumps(published, indent=1) + "\n", encoding="utf-8")
    else:
        sys.stdout.write(write_document(options.names))


if __name__ == "__main__":
    main()
