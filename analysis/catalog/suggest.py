"""Suggestions for the vocabulary: tokens of names that no rule claimed, with evidence of what they may mean.

A token that many publishers use and whose repos share one architecture is most likely the name of a family, or another
spelling of one; the rest are publishers' own words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.names.family import Likeness, find_closest_family
from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values

_TOKENS = """
select lower(u.token) as token, count(distinct r.id) as repos, count(distinct r.author) as authors,
       sum(r.downloads) as downloads, min(r.repo_id) as example
from unclaimed u join repos r on r.id = u.repo
where r.status <> 'gone'
group by lower(u.token)
having count(distinct r.id) >= :min_repos
order by count(distinct r.author) desc, count(distinct r.id) desc, lower(u.token)
limit :limit
"""
_EVIDENCE = """
select lower(u.token) as token, l.architecture, l.family, l.base_model, count(*) as repos
from unclaimed u join repos r on r.id = u.repo join repo_labels l on l.repo = r.id
where r.status <> 'gone' and lower(u.token) in ({tokens})
group by lower(u.token), l.architecture, l.family, l.base_model
"""
MIN_SHARE = 0.7  # of a token's repos that must agree for it to count as evidence


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One unclaimed token. `kind` is alias, family or word; `entry` is a line for families.toml, None for a word."""

    token: str
    repos: int
    authors: int
    downloads: int
    kind: str
    of: str | None  # the family that it may be a spelling of, or that its repos belong to
    architecture: str | None
    base_model: str | None
    share: float | None  # of its repos that have this architecture
    example: str
    entry: str | None

    def as_dict(self) -> dict[str, Any]:
        return {field: getattr(self, field) for field in self.__slots__}


def suggest_entries(reader: CatalogReader, *, min_repos: int = 2, limit: int = 50) -> list[Suggestion]:
    """The tokens that most publishers use, in at least `min_repos` repos; the most likely families first."""
    rows = reader.all(_TOKENS, {"min_repos": min_repos, "limit": limit * 4})
    rows = [row for row in rows if may_be_name(row["token"])]
    evidence = collect_unclaimed(reader, [row["token"] for row in rows])
    suggestions = [classify(row, evidence.get(row["token"], ())) for row in rows]
    order = {"alias": 0, "family": 1, "word": 2}
    return sorted(suggestions, key=lambda each: (order[each.kind], -each.authors, -each.repos, each.token))[:limit]


def may_be_name(token: str) -> bool:
    """Whether a token could be a name at all."""
    return len(token) > 2 and any(letter.isalpha() for letter in token)


def collect_unclaimed(reader: CatalogReader, tokens: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    if tokens:
        listed, values = name_values("token", tokens)
        for row in reader.all(_EVIDENCE.format(tokens=listed), values):
            found.setdefault(row["token"], []).append(row)
    return found


def classify(row: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]]) -> Suggestion:
    """What a token most likely is: another spelling of a known family, a new family, or a word."""
    token = row["token"]
    architecture, share = most_common(evidence, "architecture")
    base_model, _ = most_common(evidence, "base_model")
    family, agreed = most_common(evidence, "family")
    like: Likeness | None = find_closest_family([token])
    if like is not None:
        kind, of, entry = "alias", like.family, f'{like.family}: add "{token}" to its aliases'
    elif architecture and share is not None and share >= MIN_SHARE and row["repos"] > 1 and not family:
        kind, of = "family", None
        entry = f'{token} = {{ about = "{token}, models of architecture {architecture}" }}'
    else:
        kind, of, entry = "word", family if agreed and agreed >= MIN_SHARE else None, None
    return Suggestion(
        token, row["repos"], row["authors"], row["downloads"] or 0, kind, of, architecture, base_model, share,
        row["example"], entry,
    )  # fmt: skip


def most_common(evidence: Sequence[Mapping[str, Any]], column: str) -> tuple[str | None, float | None]:
    """The most common value of a column among a token's repos, and its share of the repos that have one."""
    counts: Counter[str] = Counter()
    for row in evidence:
        if row[column]:
            counts[row[column]] += row["repos"]
    if not counts:
        return None, None
    value, repos = counts.most_common(1)[0]
    return value, round(repos / counts.total(), 2)
