"""Laws that hold for every name, real or hostile."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import InvalidName
from analysis.names import NameLabels, parse_name
from analysis.names.name_labels import NAME_LABEL_KEYS

CORPUS = Path(__file__).resolve().parents[2] / "corpus" / "names.toml"
NAMES = list(tomllib.loads(CORPUS.read_text(encoding="utf-8")))
REPOS = [name for name in NAMES if name.count("/") == 1 and parse_name(name).kind == "repo"]
WORDS = sorted({word for name in NAMES for word in name.replace("/", "-").replace("_", "-").split("-") if word})
SAME_IN_ANY_CASE = (
    "family", "base_family", "version", "base_version", "release", "active_parameters", "experts", "format",
    "quantized", "quant", "quant_method", "bits", "group_size", "qat", "imatrix", "dynamic", "role", "shard",
)  # fmt: skip
OWNERS = (
    "owner",
    "input",
    "tokens",
    "format",
    "quant",
    "quant_method",
    "quantized",
    "bits",
)  # what an owner may change

made = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).flatmap(
    lambda words: st.lists(st.sampled_from(["-", "_", ".", "/", ""]), min_size=len(words), max_size=len(words)).map(
        lambda marks: "".join(word + mark for word, mark in zip(words, marks, strict=True))
    )
)


def read(text: str) -> NameLabels | None:
    """The reading, None for what is no name; anything else that happens is a failure."""
    try:
        return parse_name(text)
    except InvalidName:
        return None


def check_spans(text: str, found: NameLabels) -> None:
    last = 0
    for token in found.tokens:
        assert token.start >= last and token.end > token.start, (text, token)
        assert text[token.start : token.end] == token.text, (text, token)
        assert (token.label is None) == (token.value is None) == (token.rule is None), (text, token)
        between = text[last : token.start]
        assert not any(letter.isalnum() for letter in between), (text, between)
        last = token.end
    assert not any(letter.isalnum() for letter in text[last:]), (text, text[last:])
    assert found.unclaimed == tuple(token.text for token in found.tokens if token.label is None)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_labels_or_invalid_name(text: str) -> None:
    found = read(text)
    if found is not None:
        check_spans(text, found)


@settings(max_examples=300, deadline=None)
@given(made)
def test_spans_never_overlap_and_cover_every_word(text: str) -> None:
    found = read(text)
    if found is not None:
        check_spans(text, found)


def test_spans_of_real_names() -> None:
    for name in NAMES:
        check_spans(name, parse_name(name))


@settings(max_examples=100, deadline=None)
@given(made)
def test_parsing_is_deterministic(text: str) -> None:
    assert read(text) == read(text)


def test_names_parsed_before_change_nothing() -> None:
    forward = [parse_name(name) for name in NAMES]
    backward = [parse_name(name) for name in reversed(NAMES)]
    assert forward == backward[::-1]


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_letter_case_does_not_change_labels(change: Callable[[str], str]) -> None:
    """Capitals glue words (`DarkQwen3`), tell 1M from 1m and `MN` from Mongolian: such names are excluded."""
    checked = 0
    for name in NAMES:
        if "MN-" in name:
            continue
        found, other = parse_name(name), parse_name(change(name))
        if [token.end for token in found.tokens] != [token.end for token in other.tokens]:
            continue
        checked += 1
        for field in SAME_IN_ANY_CASE:
            assert getattr(found, field) == getattr(other, field), (name, field)
    assert checked > len(NAMES) * 0.6


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(REPOS), st.sampled_from(["somebody", "qwen-7b", "Llama-3-GGUF", "x", "mlx-community", "v2"]))
def test_an_owner_changes_only_the_labels_that_owners_may_set(name: str, owner: str) -> None:
    found = parse_name(name)
    other = parse_name(f"{owner}/{name.partition('/')[2]}")
    for field in NAME_LABEL_KEYS:
        if field not in OWNERS:
            assert getattr(found, field) == getattr(other, field), (name, owner, field)


def test_an_owner_without_a_format_changes_nothing() -> None:
    for name in REPOS:
        found, other = parse_name(f"somebody/{name.partition('/')[2]}"), parse_name(name.partition("/")[2])
        for field in NAME_LABEL_KEYS:
            if field not in ("owner", "input", "tokens"):
                assert getattr(found, field) == getattr(other, field), (name, field)


MALICIOUS = [
    "a" * 512, "1" * 512, "-" * 511 + "a", "Q4_K_" * 102, "1_" * 256, "1_6b-" * 102, "Qwen2.5-" * 64, "opus-mt-" * 64,
    "00001-of-" * 56, "/" * 511 + "a", "Aa1" * 170, "8x" * 256, "a/" * 256, ".gguf" * 102, "v1." * 170, "12b" * 170,
    "é" * 256, "::" * 256, "0x" * 256, "w4a16" * 102, "UD-" * 170, "llama" * 102, "a1b2c3d4" * 64, "gpt-oss" * 73,
    "models--a" * 56, "hf.co/a/b:" * 51, "o/n@" * 128, "ollama run " * 46, "llama -hf " * 51,
    "load(" * 102, "%20" * 170,
]  # fmt: skip


@pytest.mark.parametrize("text", MALICIOUS, ids=lambda text: text[:12])
def test_parse_time_of_malicious_names_grows_with_their_length_only(text: str) -> None:
    """No pattern backtracks: twice the text takes about twice the CPU time, whatever the speed of the machine."""
    read("warm")

    def seconds(part: str) -> float:
        best = 1.0
        for _ in range(3):
            start = time.process_time()
            read(part)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(text) < 10 * max(seconds(text[: len(text) // 2]), 1e-4)
