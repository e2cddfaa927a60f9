"""Tomorrow's vocabulary: what a crawl left unclaimed, with the evidence of what it may be.

A token that many publishers use and that stands on one architecture or one foundation is most likely a family's name,
or another spelling of one; the rest are people's own words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.names.family import Likeness, alike
from analysis.query.reader import CatalogReader

_TOKENS = """
select lower(u.token) as token, count(distinct r.id) as repos, count(distinct r.author) as authors,
       sum(r.downloads) as downloads, min(r.repo_id) as example
from unclaimed u join repos r on r.id = u.repo
where r.status <> 'gone'
group by lower(u.token)
having count(distinct r.id) >= :least
order by count(distinct r.author) desc, count(distinct r.id) desc, lower(u.token)
limit :most
"""
_EVIDENCE = """
select lower(u.token) as token, l.architecture, l.family, l.base_model, count(*) as repos
from unclaimed u join repos r on r.id = u.repo join repo_labels l on l.repo = r.id
where r.status <> 'gone' and lower(u.token) in ({tokens})
group by lower(u.token), l.architecture, l.family, l.base_model
"""
AGREE = 0.7  # share of a token's repos that must say the same for it to count as evidence


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One unclaimed token. `kind` is alias, family or word; `entry` is a line for families.toml, None for a word."""

    token: str
    repos: int
    authors: int
    downloads: int
    kind: str
    of: str | None  # the family that it may be another spelling of, or that it stands on
    architecture: str | None
    base_model: str | None
    share: float | None  # of its repos that agree on the architecture
    example: str
    entry: str | None

    def as_dict(self) -> dict[str, Any]:
        return {field: getattr(self, field) for field in self.__slots__}


def suggest(reader: CatalogReader, *, least: int = 2, most: int = 50) -> list[Suggestion]:
    """The tokens that most publishers use, at least in `least` repos, the likeliest families first."""
    rows = reader.all(_TOKENS, {"least": least, "most": most * 4})
    rows = [row for row in rows if score(row["token"])]
    evidence = collect_unclaimed(reader, [row["token"] for row in rows])
    found = [classify(row, evidence.get(row["token"], ())) for row in rows]
    order = {"alias": 0, "family": 1, "word": 2}
    return sorted(found, key=lambda each: (order[each.kind], -each.authors, -each.repos, each.token))[:most]


def score(token: str) -> bool:
    """Whether a token could be a name at all."""
    return len(token) > 2 and any(letter.isalpha() for letter in token)


def collect_unclaimed(reader: CatalogReader, tokens: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    if tokens:
        names = {f"t{index}": token for index, token in enumerate(tokens)}
        sql = _EVIDENCE.format(tokens=", ".join(f":{name}" for name in names))
        for row in reader.all(sql, names):
            found.setdefault(row["token"], []).append(row)
    return found


def classify(row: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]]) -> Suggestion:
    """What a token most likely is: another spelling of a family, a family of its own, or a word."""
    token = row["token"]
    architecture, share = leading(evidence, "architecture")
    base_model, _ = leading(evidence, "base_model")
    family, agreed = leading(evidence, "family")
    like: Likeness | None = alike([token])
    if like is not None:
        kind, of, entry = "alias", like.family, f'{like.family}: add "{token}" to its aliases'
    elif architecture and share is not None and share >= AGREE and row["repos"] > 1 and not family:
        kind, of = "family", None
        entry = f'{token} = {{ about = "{token}, models of architecture {architecture}" }}'
    else:
        kind, of, entry = "word", family if agreed and agreed >= AGREE else None, None
    return Suggestion(
        token, row["repos"], row["authors"], row["downloads"] or 0, kind, of, architecture, base_model, share,
        row["example"], entry,
    )  # fmt: skip


def leading(evidence: Sequence[Mapping[str, Any]], column: str) -> tuple[str | None, float | None]:
    """The value that most repos of a token share, and how many of those that have one."""
    counts: Counter[str] = Counter()
    for row in evidence:
        if row[column]:
            counts[row[column]] += row["repos"]
    if not counts:
        return None, None
    value, repos = counts.most_common(1)[0]
    return value, round(repos / counts.total(), 2)
