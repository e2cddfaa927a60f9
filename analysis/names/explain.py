"""A name explained part by part: what each part means, which rule says so, and what is unknown.

Plain text, no colours; the command line prints it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.names.name_labels import NameLabels
from analysis.names.tokens import Token
from analysis.schemes.schemes import find_scheme
from analysis.units import count_text, size_text
from analysis.vocabulary.vocabulary import Entry, Vocabulary, vocabulary
from db.labels import LABELS

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
GENERATIONS = {"1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth", "6": "sixth"}

_TITLES = {**{each.name: each.title for each in LABELS}, "noise": "aside"}
"""Title of a claimed token, by its label."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a name: its text, its kind, its meaning, and the vocabulary file that gives the meaning."""

    text: str
    kind: str
    meaning: str
    source: str


def explain(found: NameLabels, width: int | None = None) -> str:
    """The explanation as lines of plain text, none wider than `width` but for a part of the name that is as wide."""
    parts = list(explain_parts(found))
    widths = [max((len(getattr(part, field)) for part in parts), default=0) for field in ("text", "kind", "meaning")]
    lines = [found.input]
    for part in parts:
        start = f"  {part.text.ljust(widths[0])}  {part.kind.ljust(widths[1])}  "
        line = f"{start}{part.meaning.ljust(min(widths[2], 76))}  {part.source}".rstrip()
        if width is not None and len(line) > width:
            meaning = f"{part.meaning} ({part.source})" if part.source else part.meaning
            line = textwrap.fill(meaning, width, initial_indent=start, subsequent_indent=" " * len(start))
        lines.append(line)
    lines += [f"  {line}" for line in quantization_arithmetic(found)]
    lines.append("A name only claims. `hf-catalog header` measures.")
    return "\n".join(lines)


def explain_parts(found: NameLabels) -> Iterator[Part]:
    """The parts in order; neighbouring tokens that one rule joined (a date in two words, a shard) are one part."""
    words = vocabulary()
    before: Token | None = None
    tokens: list[Token] = []
    for token in found.tokens:
        joined = (
            before is not None and token.label not in (None, "noise", "tuning", "specialty") and token[3:] == before[3:]
        )
        if joined and before is not None and token.rule == before.rule and token.start - before.end <= 1:
            tokens[-1] = before = token._replace(text=found.input[before.start : token.end], start=before.start)
        else:
            tokens.append(token)
            before = token
    for token in tokens:
        if token.label is None:
            yield Part(token.text, "unknown", "not in the vocabulary: the publisher's own word, or a new one", "")
        else:
            kind = _TITLES.get(token.label, token.label)
            yield Part(token.text, kind, describe_token(token, found, words), source_of(token.rule or ""))


def describe_token(token: Token, found: NameLabels, words: Vocabulary) -> str:
    """What one claimed token means."""
    label, value = token.label or "", token.value or ""
    match label:
        case "owner":
            entry = words.owners.get(value.lower())
            return entry.about if entry else "the account that publishes it"
        case "family" | "base_family":
            return describe_entry(words, "family", value)
        case "version" | "base_version":
            return f"{GENERATIONS[value]} generation" if value in GENERATIONS else f"version {value}"
        case "release":
            return describe_release(value)
        case "size":
            return describe_size(token, found, words)
        case "active_parameters":
            return f"{size_in_words(int(value))} parameters are used for each token"
        case "experts":
            return f"{value} experts, a few of which are used for each token"
        case "quant" | "bits":
            return describe_scheme(value, found, words) if label == "quant" else f"{value} bits per weight"
        case "group_size":
            return f"{value} weights share a scale"
        case "context":
            return f"a context of {int(value):,} tokens"
        case "tuning" | "specialty" | "format" | "publisher":
            return describe_entry(words, label, value)
        case "languages":
            return describe_entry(words, "language", value)
        case "role":
            return describe_entry(words, "role", value) or f"this file is the model's {value}"
        case "how":
            return describe_entry(words, "flag", value)
        case "shard":
            part, _, whole = value.partition("/")
            return f"part {part} of {whole}"
    return note_of(token, words)


def describe_entry(words: Vocabulary, label: str, value: str) -> str:
    entry = words.find(label, value)
    return entry.about if entry else value


def note_of(token: Token, words: Vocabulary) -> str:
    """What a word that sets no label is."""
    if token.rule and token.rule.endswith(".toml"):
        for label in ("noise", "size word", "family"):
            entry: Entry | None = words.find(label, token.value or "")
            if entry is not None:
                return entry.about
    return token.rule or ""


def source_of(rule: str) -> str:
    return rule if rule.endswith(".toml") else ""


def describe_release(value: str) -> str:
    """`2507` is July 2025, `0528` 28 May, `20240806` 6 August 2024, `12-2024` December 2024."""
    digits = value.replace("-", "")
    if value.count("-") == 2:
        year, month, day = value.split("-")
        return f"released on {int(day)} {MONTHS[int(month) - 1]} {year}"
    if "-" in value:
        month, year = value.split("-")
        return f"released in {MONTHS[int(month) - 1]} {year}"
    if len(digits) == 8:
        return f"released on {int(digits[6:])} {MONTHS[int(digits[4:6]) - 1]} {digits[:4]}"
    if len(digits) == 6:
        if digits.startswith("20") and 1 <= int(digits[4:]) <= 12 and not 1 <= int(digits[2:4]) <= 12:
            return f"released in {MONTHS[int(digits[4:]) - 1]} {digits[:4]}"
        return f"released on {int(digits[4:])} {MONTHS[int(digits[2:4]) - 1]} 20{digits[:2]}"
    if digits[0] == "2":
        return f"released in {MONTHS[int(digits[2:]) - 1]} 20{digits[:2]}"
    return f"released on {int(digits[2:])} {MONTHS[int(digits[:2]) - 1]}"


def size_in_words(count: int) -> str:
    """4 billion, 270 million, 1.1 billion."""
    for scale, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if count >= scale:
            return f"{count / scale:.4g} {word}"
    return str(count)


def describe_size(token: Token, found: NameLabels, words: Vocabulary) -> str:
    """The size that a token claims, with the memory that its weights take at 32 bits."""
    if found.parameters is None:
        entry = words.find("size word", token.value or "")
        if entry is not None:
            return f"{entry.about}; no number of parameters"
        if token.rule == "effective parameters" and found.active_parameters:
            return f"performs like a model of {size_in_words(found.active_parameters)} parameters, stores more"
        return "the size of the model that this one is for" if found.active_parameters is None else "as claimed"
    memory = size_text(found.parameters * 4)
    if found.approximate and found.experts:
        return (
            f"{found.experts} experts that share attention: about {size_in_words(found.parameters)} parameters in all; "
            f"{memory} of memory at 32 bits per weight"
        )
    return f"{size_in_words(found.parameters)} parameters, as claimed; {memory} of memory at 32 bits per weight"


def estimate_bits(found: NameLabels) -> float | None:
    """Bits per weight to estimate a file's size with: of GGUF schemes those that files usually have, else nominal."""
    scheme = find_scheme(found.quant or "")
    return (scheme.estimated_bits if scheme is not None and scheme.kind == "gguf" else None) or found.bits


def describe_scheme(value: str, found: NameLabels, words: Vocabulary) -> str:
    known = find_scheme(value)
    how = known.about if known else ""
    if "_K_" in value and (mix := words.schemes.suffixes.get(value.rpartition("_")[2])):
        how = f"{how}; {mix}"
    if value != found.quant:
        return how or value
    bits = estimate_bits(found)
    if not bits:
        return how or value
    text = f"{how or value}: {bits:.3g} bits per weight" if bits != found.bits or not how else how
    if found.parameters:
        text += f", about {size_text(found.parameters * bits / 8)}"
    return f"{text}; {1 - bits / 32:.0%} less than 32 bits" if bits < 32 else text


def quantization_arithmetic(found: NameLabels) -> Iterator[str]:
    """Sizes that follow from several parts together."""
    if found.quantized is False and found.quant is None:
        yield "The name states that it is not quantized."
    bits = estimate_bits(found)
    if found.parameters and bits and not any(token.label == "quant" for token in found.tokens):
        size = size_text(found.parameters * bits / 8)
        yield f"{count_text(found.parameters)} parameters at {bits:.3g} bits: about {size}."
    if found.parameters is None and found.active_parameters is None and found.role in (None, "weights"):
        yield "The name does not state the number of parameters."


NOT_IN_CORPUS = {"input", "kind", "owner", "name", "revision", "file", "tokens"}


def corpus_case(found: NameLabels) -> str:
    """The labels as a case of the corpus: a label that is not listed is not claimed."""
    lines = [f"[{format_toml(found.input)}]"]
    for key, value in found.as_dict().items():
        if key not in NOT_IN_CORPUS and value not in (None, [], False if key != "quantized" else None):
            lines.append(f"{key} = {format_toml(value)}")
    return "\n".join(lines)


def format_toml(value: object) -> str:
    """A value in TOML: texts quoted, integers with thousands separated by `_`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(format_toml(item) for item in value)}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value)
