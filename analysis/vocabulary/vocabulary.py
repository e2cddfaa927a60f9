"""The vocabulary: the meaning of words in names. TOML files, validated on loading, identified by a digest.

Every word belongs to one entry. A word with hyphens is a phrase: its parts match with any separator between them and
without one, so that `gpt-oss` also matches `GPT_OSS` and `gptoss`.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from analysis.errors import VocabularyError
from analysis.formats.formats import Format, read_formats
from analysis.schemes.schemes import Scheme, SchemeTable, read_schemes
from analysis.untrusted import TOML_ERRORS

PRODUCTS = "products"
"""The entry of words.toml whose words name models within a line: a version may follow them."""
FILES = ("families", "tuning", "specialty", "formats", "languages", "schemes", "words")
"""Names of the files, without extension."""
_PACKAGES = {"formats": "analysis.formats", "schemes": "analysis.schemes"}
"""Files that belong to another package."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one or more words mean: `label` is its kind, `value` its canonical form."""

    label: (
        str  # family, tuning, specialty, format, language, scheme, float, size word, role, flag, publisher, owner ...
    )
    value: str
    about: str
    file: str
    words: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    scheme: Scheme | None = None  # of the labels scheme and float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All entries, with indexes by word, phrase, code and account."""

    digest: str  # sha256 of the files' bytes, the first 16 hex digits
    words: Mapping[str, Entry]  # one lower-case word -> entry
    phrases: Mapping[str, tuple[tuple[tuple[str, ...], Entry], ...]]  # first word -> (all words, entry), longest first
    schemes: SchemeTable
    anywhere: tuple[tuple[str, Entry], ...]  # families recognized inside longer words, longest first
    endings: tuple[tuple[str, Entry], ...]  # families recognized at the end of longer words, longest first
    codes: Mapping[str, Entry]  # ISO 639-1 code -> language
    owners: Mapping[str, Entry]  # lower-case account -> what it implies for its repos
    families: Mapping[str, Entry]  # slug -> family
    entries: tuple[Entry, ...]

    def find(self, label: str, value: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.label == label and entry.value == value), None)


# What a table of a file is: label of its entries and the keys that an entry may hold, with their types.
_FAMILY: dict[str, type | tuple[type, ...]] = {
    "for": list,
    "versions": list,
    "sizes": list,
    "letters": str,
    "first": bool,
    "long": bool,
    "suffix": str,
    "base": bool,
    "it": bool,
    "tunes": bool,
    "minor": bool,
    "short": list,
    "weak": list,
    "slug": str,
    "on": dict,
}
_TABLES: dict[tuple[str, str], tuple[str, dict[str, type | tuple[type, ...]]]] = {
    ("families", "lines"): ("family", _FAMILY),
    ("families", "brands"): ("family", _FAMILY),
    ("families", "teachers"): ("family", _FAMILY),
    ("tuning", ""): ("tuning", {}),
    ("specialty", ""): ("specialty", {}),
    ("languages", ""): ("language", {"bare": bool}),
    ("words", "size_words"): ("size word", {}),
    ("words", "roles"): ("role", {}),
    ("words", "flags"): ("flag", {}),
    ("words", "publishers"): ("publisher", {}),
    ("words", "owners"): ("owner", {"format": str, "method": str}),
    ("words", "noise"): ("noise", {}),
}


def load_vocabulary(sources: Mapping[str, bytes]) -> Vocabulary:
    """Compiles the vocabulary from the bytes of its files, by name without extension.

    Raises VocabularyError, naming file and entry, for anything that does not match `_TABLES`.
    """
    entries: list[Entry] = []
    schemes = read_schemes(sources["schemes"])
    for name in FILES:
        data = sources[name]
        if name == "formats":
            entries.extend(_format_entries(read_formats(data)))
            continue
        if name == "schemes":
            entries.extend(_scheme_entries(schemes))
            continue
        try:
            tables = tomllib.loads(data.decode("utf-8"))
        except TOML_ERRORS as error:
            raise VocabularyError(f"{name}.toml", "", str(error)) from error
        for table, rows in _tables(name, tables):
            entries.extend(_entries(name, table, rows))
    return _compile(digest_of(sources), tuple(entries), schemes)


def digest_of(sources: Mapping[str, bytes]) -> str:
    """What identifies the vocabulary of these files."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(name.encode() + b"\0" + sources[name] + b"\0")
    return digest.hexdigest()[:16]


@cache
def vocabulary_digest() -> str:
    """The digest of `vocabulary()`, without compiling it."""
    return digest_of(packaged_files())


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary that ships with the program, loaded once."""
    return load_vocabulary(packaged_files())


def packaged_files() -> dict[str, bytes]:
    """The bytes of the files that ship with the program, by name without extension."""
    folders = {name: files(_PACKAGES.get(name, "analysis.vocabulary")) for name in FILES}
    return {name: (folder / f"{name}.toml").read_bytes() for name, folder in folders.items()}


def _tables(name: str, tables: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if (name, "") in _TABLES:
        yield "", tables
        return
    for table, rows in tables.items():
        if (name, table) not in _TABLES:
            raise VocabularyError(f"{name}.toml", table, "no such table is known")
        yield table, rows


def _entries(name: str, table: str, rows: Mapping[str, Any]) -> Iterator[Entry]:
    label, keys = _TABLES[name, table]
    for value, row in rows.items():
        file = f"{name}.toml"
        if not isinstance(row, dict):
            raise VocabularyError(file, value, "an entry is a table like { about = ..., words = [...] }")
        facts = dict(row)
        about = facts.pop("about", None)
        if not isinstance(about, str) or not about:
            raise VocabularyError(file, value, "`about` must say in a line what it is")
        words = facts.pop("aliases" if label == "family" else "words", None)
        if words is None and label == "family":
            words = []
        if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
            raise VocabularyError(file, value, "`words` must be a list of words")
        for key, fact in facts.items():
            if key not in keys or not isinstance(fact, keys[key]):
                raise VocabularyError(file, value, f"`{key}` is not a key of such an entry, or of another type")
        if label == "family":
            value = facts.pop("slug", value)
            words = [value, *words] if "slug" not in row else words
            facts["kind"] = table
        yield Entry(label, value, about, file, tuple(dict.fromkeys(words)), facts)


def _format_entries(table: Mapping[str, Format]) -> Iterator[Entry]:
    for each in table.values():
        yield Entry("format", each.name, each.about, "formats.toml", each.words)


def _scheme_entries(table: SchemeTable) -> Iterator[Entry]:
    for scheme in table.schemes.values():
        label = "scheme" if scheme.quantized else "float"
        yield Entry(label, scheme.name, scheme.about, "schemes.toml", scheme.aliases, scheme=scheme)


def _compile(digest: str, entries: tuple[Entry, ...], schemes: SchemeTable) -> Vocabulary:
    words: dict[str, Entry] = {}
    glued: dict[str, Entry] = {}
    phrases: dict[str, list[tuple[tuple[str, ...], Entry]]] = {}
    spelled: dict[str, Entry] = {}
    anywhere: list[tuple[str, Entry]] = []
    endings: list[tuple[str, Entry]] = []
    owners: dict[str, Entry] = {}
    for entry in entries:
        if entry.label == "owner":
            owners |= dict.fromkeys(entry.words, entry)
            continue
        for word in entry.words:
            if word != word.lower() or word != word.strip("-"):
                raise VocabularyError(
                    entry.file, entry.value, f"{word!r} must be lower case, without a hyphen at its ends"
                )
            if word in spelled:
                other = spelled[word]
                raise VocabularyError(
                    entry.file, entry.value, f"{word!r} already belongs to {other.value} of {other.file}"
                )
            spelled[word] = entry
            parts = tuple(word.split("-"))
            if len(parts) == 1:
                words[word] = entry
            else:
                phrases.setdefault(parts[0], []).append((parts, entry))
                glued.setdefault("".join(parts), entry)
        suffix = entry.facts.get("suffix")
        if suffix:
            (anywhere if suffix == "any" else endings).append((entry.value, entry))
    for word, entry in glued.items():
        words.setdefault(word, entry)
    longest = {first: tuple(sorted(found, key=lambda item: -len(item[0]))) for first, found in phrases.items()}
    return Vocabulary(
        digest,
        words,
        longest,
        schemes,
        tuple(sorted(anywhere, key=lambda item: -len(item[0]))),
        tuple(sorted(endings, key=lambda item: -len(item[0]))),
        {entry.value: entry for entry in entries if entry.label == "language"},
        owners,
        {entry.value: entry for entry in entries if entry.label == "family"},
        entries,
    )
