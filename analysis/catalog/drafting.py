"""Which artifacts can run with a draft model, that guesses tokens ahead: one in the repo, or layers of the file.

MTP and EAGLE are kinds of drafts; GGUF states the number of such layers as `nextn_predict_layers`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values

IDS_PER_QUERY = 500

DRAFTS = """
select r.repo_id, a.artifact, a.role, h.facts
from repos r join artifacts a on a.repo = r.id left join headers h on h.id = a.header
where r.type = 'model' and r.repo_id in ({ids}) and (a.role = 'draft' or h.facts like '%"nextn_layers"%')
"""


def find_drafting(reader: CatalogReader, artifacts: Iterable[tuple[str, str | None]]) -> set[tuple[str, str | None]]:
    """Of these (repo id, artifact), the ones that can run with a draft."""
    asked = list(artifacts)
    with_draft, with_layers = set[str](), set[tuple[str, str]]()
    for repo_id, artifact, has_layers in load_drafts(reader, sorted({repo_id for repo_id, _ in asked})):
        if has_layers:
            with_layers.add((repo_id, artifact))
        else:
            with_draft.add(repo_id)
    return {each for each in asked if each[0] in with_draft or each in with_layers}


def load_drafts(reader: CatalogReader, repo_ids: list[str]) -> Iterator[tuple[str, str, bool]]:
    """(repo id, artifact, whether it is weights with draft layers; else a draft) of these repos."""
    for at in range(0, len(repo_ids), IDS_PER_QUERY):
        listed, values = name_values("id", repo_ids[at:][:IDS_PER_QUERY])
        for row in reader.all(DRAFTS.format(ids=listed), values):
            if row["role"] == "draft":
                yield row["repo_id"], row["artifact"], False
            elif has_draft_layers(row["facts"]):
                yield row["repo_id"], row["artifact"], True


def has_draft_layers(facts: str | None) -> bool:
    """Whether the geometry of a header's facts states layers that predict further tokens."""
    try:
        layers = json.loads(facts or "{}")["geometry"]["nextn_layers"]
    except (ValueError, LookupError, TypeError):
        return False
    return type(layers) is int and layers > 0
