"""The labels of names: no label gets worse on the sets that the repository holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import accuracy
from bench.accuracy import BASELINE, Counts, count, judge, judge_by_hand, own_sets, rate, same_scheme, wilson

STORED = json.loads(BASELINE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def counted() -> dict[str, dict[str, Counts]]:
    return own_sets()


@pytest.mark.parametrize(("name", "label"), [(name, label) for name, labels in STORED.items() for label in labels])
def test_no_label_gets_worse(counted: dict[str, dict[str, Counts]], name: str, label: str) -> None:
    """If one gets better, store it: `python -m bench.accuracy --write-baseline`."""
    now, before = counted[name].get(label), Counts(*STORED[name][label])
    assert now is not None, "the set has no such label any more"
    assert (now.precision or 0) >= (before.precision or 0) and (now.recall or 0) >= (before.recall or 0)


def test_the_baseline_has_every_label(counted: dict[str, dict[str, Counts]]) -> None:
    missing = {(name, label) for name, labels in counted.items() for label in labels} - {
        (name, label) for name, labels in STORED.items() for label in labels
    }
    assert not missing, "store them: python -m bench.accuracy --write-baseline"
    assert len(STORED["corpus"]) > 20


def test_data_set_cards_say_what_the_document_says() -> None:
    """If the document is new: `python -m bench.accuracy --write-published`."""
    document = accuracy.DOCUMENT.read_text(encoding="utf-8")
    published = accuracy.read_published(document)
    assert json.loads(accuracy.PUBLISHED.read_text(encoding="utf-8")) == published
    for name, counts in [*published["hand"].items(), *published["stated"].items()]:
        right, wrong, missed = counts
        assert f"| {name} | {right + wrong + missed} | {right} | {wrong} | {missed} |" in document
    assert (len(published["hand"]), len(published["stated"])) > (20, 3)


@pytest.mark.parametrize(
    ("expected", "found", "verdicts"),
    [
        ("gemma", "gemma", ["right"]), ("gemma", "llama", ["wrong"]), ("gemma", None, ["missed"]),
        (None, "gemma", ["wrong"]), (None, None, []), (True, False, ["missed"]), (False, None, []),
        (["code", "math"], ["code", "vision"], ["right", "missed", "wrong"]), ([], None, []),
    ],
)  # fmt: skip
def test_a_label_is_right_wrong_or_missed(expected: object, found: object, verdicts: list[str]) -> None:
    assert list(judge(expected, found)) == verdicts


@pytest.mark.parametrize(
    ("expected", "found", "verdicts"),
    [
        ("kimi|k2", "k2", ["right"]), ("null|moe", None, ["right"]), ("v1.5", "1.5", ["right"]),
        (7_000_000_000, 7_100_000_000, ["right"]), (7_000_000_000, 8_000_000_000, ["wrong"]),
        (["!pt", "en"], ["en"], ["right", "right"]), (["!pt", "en|de"], ["pt"], ["wrong", "missed"]),
    ],
)  # fmt: skip
def test_what_was_read_by_hand_allows_choices_and_denies(expected: object, found: object, verdicts: list[str]) -> None:
    assert list(judge_by_hand(expected, found)) == verdicts


def test_wilsons_interval_is_that_of_the_textbooks() -> None:
    assert wilson(15, 20) == pytest.approx((0.531, 0.888), abs=0.001)
    assert wilson(0, 10)[0] == 0 and wilson(10, 10) == pytest.approx((0.722, 1.0), abs=0.001)
    assert rate(15, 20) == "75.0 % (53.1 to 88.8)" and rate(0, 0) == ""


def test_precision_and_recall() -> None:
    counts = Counts(right=8, wrong=2, missed=6)
    assert (counts.precision, counts.recall) == (0.8, 0.5) and Counts().precision is None


def test_prefixes_are_no_part_of_a_scheme() -> None:
    assert same_scheme("UD-Q4_K_XL", "Q4_K_XL") and same_scheme("i1-IQ2_M", "IQ2_M") and same_scheme("FP16", "F16")
    assert not same_scheme("Q4_0", "Q4_1") and same_scheme("Q4", "Q4")


def test_sets_from_elsewhere_are_judged(tmp_path: Path) -> None:
    case = {"name": "google/gemma-3-4b-it", "expect": {"family": "gemma", "version": "2", "tuning": ["instruct"]}}
    (tmp_path / "fresh.jsonl").write_text(json.dumps(case) + "\n", encoding="utf-8")
    found = count(accuracy.judge_fresh(tmp_path / "fresh.jsonl"), lambda each: each.label)
    assert found == {"family": Counts(right=1), "tuning": Counts(right=1), "version": Counts(wrong=1)}
    page = accuracy.write_document(tmp_path)
    assert "| version | 1 | 0 | 1 | 0 | 0.0 % (0.0 to 79.3) | 0.0 % (0.0 to 79.3) |" in page


def test_the_document_is_the_commands_output() -> None:
    """Its figures are those of the day it was made; its sections and labels are today's."""
    page = (accuracy.ROOT / "docs/accuracy.md").read_text(encoding="utf-8")
    assert page.startswith(accuracy.INTRODUCTION)
    for title in ("Hard new names", "Values that headers and publishers state", "Other programs' tests", "The corpus"):
        assert f"## {title}" in page
    assert all(f"\n| {label} | " in page for labels in STORED.values() for label in labels)
