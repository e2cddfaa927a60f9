"""The table of licences: licences.toml as records, and the licence that a card, a link or a LICENSE file means.

Cards are untrusted: a text that names no licence of the table is a licence of its own, of unknown terms.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from analysis.errors import VocabularyError

LICENCES_FILE = "licences.toml"
DUTIES = "duties"

UNSTATED = frozenset({"unknown", "unlicensed", "none", "n/a", "tbd", ""})
"""Values of a card that name no licence."""

RESTRICTIONS = ("no-derivatives", "non-commercial", "use-restricted", "share-alike")
"""What binds derivatives too, the most restrictive first; each is a kind of licence."""

PERMISSIVE, BESPOKE = "permissive", "bespoke"
"""The kinds of licences without a restriction, and of those whose terms are unknown."""


@dataclass(frozen=True, slots=True)
class Licence:
    """One licence. The comment at the top of licences.toml says what each field means."""

    id: str
    name: str
    spdx: str | None = None
    family: str = ""
    restrictions: frozenset[str] = frozenset()
    duties: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    clauses: Mapping[str, str] = field(default_factory=dict)
    compatible: tuple[str, ...] = ()
    name_begins: str | None = None
    foundations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_known: bool = True  # the table has its terms

    @property
    def identifier(self) -> str:
        """The SPDX id; LicenseRef-ID where SPDX has none (SPDX 3.0.1, annex B)."""
        return self.spdx or f"LicenseRef-{re.sub(r'[^A-Za-z0-9.-]+', '-', self.id).strip('-') or 'other'}"

    @property
    def kind(self) -> str:
        """permissive, the first of RESTRICTIONS that it has, or bespoke where its terms are unknown."""
        if not self.is_known:
            return BESPOKE
        return next((each for each in RESTRICTIONS if each in self.restrictions), PERMISSIVE)


@dataclass(frozen=True, slots=True)
class LicenceTable:
    """All licences by id, and what each duty means."""

    licences: Mapping[str, Licence]
    duties: Mapping[str, str]


_LISTS = frozenset({"duties", "words", "links", "digests", "compatible"})
_TEXTS = frozenset({"spdx", "name", "family", "name_begins"})


def read_licences(data: bytes) -> LicenceTable:
    """The table from the bytes of licences.toml. Raises VocabularyError, naming the entry, for a wrong value."""
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise VocabularyError(LICENCES_FILE, "", str(error)) from error
    duties = tables.pop(DUTIES, {})
    found = {name: _read_licence(name, row) for name, row in tables.items()}
    for each in found.values():
        unknown = {*each.duties} - duties.keys() | {*each.compatible} - found.keys()
        unknown |= each.restrictions - {*RESTRICTIONS} | each.clauses.keys() - {*each.duties, *each.restrictions}
        if unknown:
            raise VocabularyError(LICENCES_FILE, each.id, f"{min(unknown)!r} is not declared")
    return LicenceTable(found, duties)


def _read_licence(name: str, row: Any) -> Licence:
    if not isinstance(row, dict) or not row.get("name"):
        raise VocabularyError(LICENCES_FILE, name, "a licence is a table with a `name`")
    values: dict[str, Any] = {"id": name, "family": name}
    for key, value in row.items():
        if key in _TEXTS and isinstance(value, str):
            values[key] = value
        elif key in _LISTS and isinstance(value, list):
            values[key] = tuple(value)
        elif key == "restrictions" and isinstance(value, list):
            values[key] = frozenset(value)
        elif key == "clauses" and isinstance(value, dict):
            values[key] = value
        elif key == "foundations" and isinstance(value, dict):
            values[key] = {family: tuple(versions) for family, versions in value.items()}
        else:
            raise VocabularyError(LICENCES_FILE, name, f"`{key}` is not a key of a licence, or of another type")
    return Licence(**values)


@cache
def licence_table() -> LicenceTable:
    """The table of this installation."""
    return read_licences((files("analysis.licences") / LICENCES_FILE).read_bytes())


@cache
def _by_word() -> Mapping[str, Licence]:
    found: dict[str, Licence] = {}
    for each in licence_table().licences.values():
        for word in (each.id, each.spdx or "", each.name, *each.words):
            found.setdefault(_fold(word), each)
    found.pop("", None)
    return found


def _fold(text: str) -> str:
    """A licence's name without what people write in different ways: case, spaces, hyphens."""
    return re.sub(r"[\s_-]+", "-", text.strip().lower())


@lru_cache(maxsize=1 << 12)
def find_licence(text: str | None) -> Licence | None:
    """The licence that a card's text names: one of the table, or one of unknown terms; None where it names none."""
    folded = _fold(text or "")
    if folded in UNSTATED:
        return None
    return _by_word().get(folded) or Licence(folded, text or folded, family=folded, is_known=False)


def find_licence_of_link(link: str | None) -> Licence | None:
    """The licence whose published text a link leads to; None where the link tells nothing."""
    low = (link or "").lower()
    if not low:
        return None
    return next((each for each in licence_table().licences.values() if any(part in low for part in each.links)), None)


def find_licence_of_digest(blob_id: str | None) -> Licence | None:
    """The licence whose text a LICENSE file holds, by git's id of the blob."""
    return next((each for each in licence_table().licences.values() if blob_id in each.digests), None)


def find_foundation_licence(family: str | None, version: str | None) -> Licence | None:
    """The licence that the publisher of a foundation model chose, by the family and version of its name."""
    for each in licence_table().licences.values():
        if family is not None and (version or "") in each.foundations.get(family, ()):
            return each
    return None


def clause_of(licence: Licence, names: Iterable[str]) -> str:
    """Where a licence states the first of these duties or restrictions: "Llama 2 Community License, section 1.b.i"."""
    where = next((licence.clauses[name] for name in names if name in licence.clauses), None)
    return f"{licence.name}, {where}" if where else licence.name
