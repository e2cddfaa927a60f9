"""The licences of a model and of all that it was made from, as cards, links and files state them, and the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.catalog.catalog_status import parse_time
from analysis.catalog.lineage import MAX_TREE_DEPTH
from analysis.catalog.models import find_model
from analysis.labels.evidence.licences import stated_licence
from analysis.labels.evidence.names import parse_name_or_none
from analysis.licences.licences import (
    Licence,
    find_foundation_licence,
    find_licence_of_digest,
    licence_table,
)
from analysis.licences.verdict import NOT_STORED, ChainVerdict, Claim, breaks_naming, judge
from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values
from analysis.untrusted import MAX_BASE_MODELS, check_texts
from db.packed_text import unpack
from db.records import RepoRecord

MAX_LINKS = 60
"""Ancestors of one model that are judged; a merge of merges has dozens."""

LICENCE_FILES = ("license", "licence", "license.txt", "license.md", "copying")

PARENTS = """
select p.repo_id, coalesce(p.parent_id, p.parent) as parent, p.relation
from parents p where p.repo_id in ({ids}) order by p.repo_id, parent
"""
CLAIMS = """
select r.repo_id, r.license, r.last_modified, f.facts
from repos r left join repo_facts f on f.repo = r.id
where r.type = :type and lower(r.repo_id) = lower(:id) order by r.status = 'gone' limit 1
"""
LICENCE_FILE = f"""
select lower(hex(f.blob_id)) as blob_id
from repo_files f join repos r on r.id = f.repo and r.type = 'model'
where r.repo_id = :id and lower(f.path) in ({", ".join(f"'{name}'" for name in LICENCE_FILES)})
order by f.path limit 1
"""


@dataclass(frozen=True, slots=True)
class LicenceChain:
    """A model's claim, those of its ancestors (nearest first) and of the data sets its card names, and the verdict."""

    model: Claim
    ancestors: tuple[Claim, ...]
    datasets: tuple[Claim, ...]
    verdict: ChainVerdict
    naming: Licence | None  # the licence whose duty about the names of derivatives the model's name breaks

    @property
    def duties(self) -> tuple[str, ...]:
        """What a distributor of the model has to do, by its own licence and those it was made from."""
        meanings = licence_table().duties
        held = [each.licence for each in (self.model, *self.ancestors) if each.licence is not None]
        return tuple(dict.fromkeys(meanings[duty] for licence in held for duty in licence.duties))

    def lines(self) -> list[str]:
        """The chain from the model up, a line a link: licence, who states it, when."""
        return [describe_claim(each) for each in (self.model, *self.ancestors, *self.datasets)]


def describe_claim(claim: Claim) -> str:
    missing = "licence unknown" if claim.source == NOT_STORED else "no licence"
    licence = missing if claim.licence is None else claim.licence.identifier
    when = f", {claim.date:%Y-%m-%d}" if claim.date else ""
    how = f" ({claim.relation})" if claim.depth and claim.relation != "unknown" else ""
    return f"{claim.repo_id}{how}: {licence} [{claim.source}{when}]"


def load_licence_chain(reader: CatalogReader, repo_id: str) -> LicenceChain:
    """The chain of a model with its verdict. Raises UnknownModel."""
    own = str(find_model(reader, repo_id)["repo_id"])
    model = load_claim(reader, own)
    ancestors = load_ancestors(reader, own)
    ancestors = [*ancestors, *add_foundations([model, *ancestors])]
    datasets = load_datasets(reader, own)
    held = [each.licence for each in (model, *ancestors) if each.licence is not None]
    made = breaks_naming(own, held) if ancestors else None
    return LicenceChain(model, tuple(ancestors), tuple(datasets), judge(model, ancestors), made)


def load_ancestors(reader: CatalogReader, repo_id: str) -> list[Claim]:
    """The claims of all that a model was made from, nearest first, each once.

    A query for each step: of one recursive query SQLite first reads all repos into a Bloom filter.
    """
    found: dict[str, Claim] = {}
    children = [repo_id]
    for depth in range(1, MAX_TREE_DEPTH + 1):
        listed, values = name_values("id", children)
        parents = []
        for row in reader.all(PARENTS.format(ids=listed), values) if children else ():
            parent = str(row["parent"])
            if parent != repo_id and parent not in found and len(found) < MAX_LINKS:
                found[parent] = replace(load_claim(reader, parent), relation=row["relation"], depth=depth)
                parents.append(parent)
        children = parents
    return list(found.values())


def load_claim(reader: CatalogReader, repo_id: str, type_: str = "model") -> Claim:
    """What a repo states of its licence: its card or tag, else the text of its LICENSE file."""
    rows = reader.all(CLAIMS, {"id": repo_id, "type": type_})
    if not rows:
        return Claim(repo_id, None, NOT_STORED)
    row = rows[0]
    card = card_of(row["facts"])
    stated = stated_licence(RepoRecord(hub_id="", repo_id=repo_id, license=row["license"], card=card))
    if stated is not None and stated[0].is_known:
        return Claim(repo_id, stated[0], f"{stated[1]} {stated[2]}", row["license"], parse_time(row["last_modified"]))
    files = reader.all(LICENCE_FILE, {"id": repo_id}) if type_ == "model" else []
    text = find_licence_of_digest(files[0]["blob_id"]) if files else None
    if text is not None:
        return Claim(repo_id, text, "LICENSE file", row["license"], parse_time(row["last_modified"]))
    licence, source = (stated[0], f"{stated[1]} {stated[2]}") if stated is not None else (None, "states nothing")
    return Claim(repo_id, licence, source, row["license"], parse_time(row["last_modified"]))


def card_of(facts: bytes | None) -> Mapping[str, Any]:
    """The card among the stored facts of a repo."""
    held = json.loads(unpack(facts)) if facts else {}
    card = held.get("card")
    return card if isinstance(card, dict) else {}


def add_foundations(claims: Sequence[Claim]) -> list[Claim]:
    """What publishers of foundation models chose, where a chain ends in a copy that claims less or nothing.

    By the family and version that the last model's name states: `huggyllama/llama-7b` is LLaMA, from any account.
    A name without a version is a hint only where the card names no licence of known terms.
    """
    last = max(claims, key=lambda each: each.depth)
    name = parse_name_or_none(last.repo_id)
    stated = last.licence if last.licence is not None and last.licence.is_known else None
    for family, version in ((name.family, name.version), (name.base_family, name.base_version)) if name else ():
        chosen = find_foundation_licence(family, version) if version or stated is None else None
        if chosen is not None:
            break
    else:
        return []
    if last.licence is not None and last.licence.family == chosen.family:
        return []
    title = f"{family} {version or ''}".strip()
    return [Claim(title, chosen, f"the name of {last.repo_id}", None, None, "unknown", last.depth + 1)]


def load_datasets(reader: CatalogReader, repo_id: str) -> list[Claim]:
    """What the data sets state that the card names. They are shown, not judged: whether they bind is disputed."""
    rows = reader.all(CLAIMS, {"id": repo_id, "type": "model"})
    named = check_texts(card_of(rows[0]["facts"]).get("datasets"), MAX_BASE_MODELS) if rows else ()
    claims = [load_claim(reader, each, "dataset") for each in dict.fromkeys(named)]
    return [replace(each, relation="dataset", depth=1) for each in claims]
