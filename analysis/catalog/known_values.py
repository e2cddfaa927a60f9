"""Values of filters that nothing has: refused with the nearest ones, since an empty answer would look like a fact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from analysis.errors import UnknownValue

if TYPE_CHECKING:
    from analysis.catalog.models import ModelFilter
    from analysis.query.reader import CatalogReader

MAX_NEAREST = 3


def check_filter(wanted: ModelFilter, reader: CatalogReader) -> None:
    """Raises UnknownValue for a value that no model can have. Publishers are no closed list: any may come."""
    check_families(wanted.families, reader)
    check_schemes(wanted.quants, reader)
    check_formats(wanted.formats)
    check_tunings(wanted.tunings, reader)
    check_licences(wanted.licenses, reader)


def check_tunings(names: Sequence[str], reader: CatalogReader) -> None:
    """Raises UnknownValue for a tuning that neither the vocabulary nor the catalog has."""

    def is_in_catalog(name: str) -> bool:
        # not by LIKE, which takes signs of a name for others and refuses long ones
        sql = "select 1 as found from repo_labels where replace(lower(tuning), :name, '') <> lower(tuning) limit 1"
        return bool(reader.all(sql, {"name": f'"{name}"'}))

    check("tuning", names, lambda: vocabulary_values("tuning"), is_in_catalog)


def check_licences(names: Sequence[str], reader: CatalogReader) -> None:
    """Raises UnknownValue for a licence that neither the table of licences nor a card in the catalog has."""
    from analysis.licences.licences import licence_table

    def is_in_catalog(name: str) -> bool:
        return bool(reader.all("select 1 as found from repos where lower(license) = :name limit 1", {"name": name}))

    check("licence", names, lambda: licence_table().licences, is_in_catalog)


def check_changes(kinds: Sequence[str]) -> None:
    """Raises UnknownValue for a kind of change that there is not; without a near one it names all."""
    from analysis.catalog.changes import KINDS

    for kind in kinds:
        if kind not in KINDS:
            error = UnknownValue("kind of change", kind, tuple(get_close_matches(kind.lower(), KINDS, n=MAX_NEAREST)))
            if not error.close:
                error.hint = f"the kinds are {', '.join(KINDS)}"
            raise error


def check_families(names: Sequence[str], reader: CatalogReader) -> None:
    """Raises UnknownValue for a family that neither the vocabulary nor the catalog has. `*` stands for any text."""

    def is_in_catalog(name: str) -> bool:
        sql = "select 1 as found from repo_labels where {} = :name limit 1"
        return any(reader.all(sql.format(column), {"name": name}) for column in ("family", "base_family"))

    check("family", names, lambda: vocabulary_values("family"), is_in_catalog)


def check_schemes(names: Sequence[str], reader: CatalogReader) -> None:
    """Raises UnknownValue for a scheme that neither the table of schemes nor the catalog has."""
    from analysis.schemes.schemes import find_scheme, find_scheme_by_alias, scheme_table

    def is_known(name: str) -> bool:
        if find_scheme(name.upper()) is not None:
            return True
        sql = "select 1 as found from {} where quant = :name limit 1"
        return any(reader.all(sql.format(table), {"name": name.upper()}) for table in ("artifacts", "repo_labels"))

    for name in names:
        meant = find_scheme_by_alias(name)
        if meant is not None and "*" not in name and meant.name != name.upper() and not is_known(name):
            raise UnknownValue("quantization", name, (meant.name,))
    check("quantization", names, lambda: [each.lower() for each in scheme_table().schemes], is_known, shown=str.upper)


def check_formats(names: Sequence[str]) -> None:
    """Raises UnknownValue for a format that the table of formats does not have."""
    from analysis.formats.formats import FORMATS

    check("format", names, lambda: FORMATS, lambda name: False)


def check_task(name: str | None, reader: CatalogReader) -> None:
    """Raises UnknownValue for a word that is no specialty, no tuning and no task of a repo of the catalog."""
    if name is None:
        return

    def is_in_catalog(task: str) -> bool:
        return bool(reader.all("select 1 as found from repos where pipeline_tag = :name limit 1", {"name": task}))

    known = [*vocabulary_values("specialty"), *vocabulary_values("tuning")]
    check("task", [name], lambda: known, is_in_catalog)


def check(
    kind: str,
    names: Iterable[str],
    known: Callable[[], Iterable[str]],
    is_known: Callable[[str], bool],
    shown: Callable[[str], str] = str,
) -> None:
    """Raises UnknownValue for a name that is neither among `known`, in lower case, nor accepted by `is_known`."""
    for name in names:
        word = name.lower()
        if "*" in word:
            continue
        words = list(known())
        if word not in words and not is_known(word):
            raise UnknownValue(kind, name, tuple(map(shown, get_close_matches(word, words, n=MAX_NEAREST))))


def vocabulary_values(label: str) -> list[str]:
    """The canonical values of a label in the vocabulary."""
    from analysis.vocabulary.vocabulary import vocabulary

    return sorted({entry.value for entry in vocabulary().entries if entry.label == label})
