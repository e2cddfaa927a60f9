"""Parents: the models that a repo was made from, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.labels.evidence.card import card_edges
from analysis.labels.evidence.headers import header_edges
from analysis.labels.evidence.tags import tag_edge
from analysis.names import NameLabels
from analysis.untrusted import MAX_TAGS
from db.record_base import Relation, Source
from db.records import EdgeRecord, Header, RepoRecord

_TRUST: Mapping[Source, int] = {"api": 0, "card": 1, "tag": 2, "header": 3, "name": 4}

_FULL_ID_OWNERS = frozenset(("bartowski",))
"""Publishers who write the parent's whole id, with `_` for `/`, into their names."""


def edges_of(repo: RepoRecord, name: NameLabels | None, headers: Mapping[str, Header] = {}) -> tuple[EdgeRecord, ...]:
    """The repo's parents: those that the card, the tags and the API declare, in the card's order, else those of its
    headers, else one that its name states. The same however the API's edges were ordered."""
    found: dict[EdgeRecord, None] = dict.fromkeys(card_edges(repo.card))
    for tag in repo.tags[:MAX_TAGS]:
        if tag.startswith("base_model:"):
            edge = tag_edge(tag)
            if edge:
                found[edge] = None
    if len(repo.edges) > 1:
        found |= dict.fromkeys(sorted(repo.edges, key=lambda edge: (edge.parent, edge.relation, edge.source)))
    elif repo.edges:
        found[repo.edges[0]] = None
    own = repo.repo_id.lower()
    if not found and headers:
        found |= dict.fromkeys(header_edges(headers[artifact] for artifact in sorted(headers)))
    declared = tuple([edge for edge in found if edge.parent.lower() != own])
    if declared or name is None:
        return declared
    inferred = parent_in_name(name)
    return (inferred,) if inferred else ()


def parent_in_name(name: NameLabels) -> EdgeRecord | None:
    """`bartowski/ilsp_Llama-Krikri-8B-Instruct-GGUF` names its parent's owner: ilsp/Llama-Krikri-8B-Instruct."""
    if name.owner is None or name.owner.lower() not in _FULL_ID_OWNERS or name.format is None:
        return None
    ending = f"-{name.format}"
    owner, _, rest = name.name.partition("_")
    if not rest.lower().endswith(ending) or not any(letter.isalpha() for letter in owner):
        return None
    return EdgeRecord(f"{owner}/{rest[: -len(ending)]}", "quantized", "name")


def choose_parent(edges: Sequence[EdgeRecord]) -> EdgeRecord | None:
    """The first parent with a relation, else the first, said by the most trustworthy.

    The Hub writes the relation into the tags of the parent that a card names; a parent without one was often copied
    from the tags of that parent's own card.
    """
    if not edges:
        return None
    related = {edge.parent: edge.relation for edge in reversed(edges) if edge.relation != "unknown"}
    parent = next((edge.parent for edge in edges if edge.parent in related), edges[0].parent)
    source = min((edge.source for edge in edges if edge.parent == parent), key=lambda source: _TRUST.get(source, 9))
    return EdgeRecord(parent, related.get(parent, "unknown"), source)


def infer_relation(repo: RepoRecord, name: NameLabels | None, edges: Sequence[EdgeRecord]) -> Relation:
    """How a repo was made from its parent where nothing states it, by the rules of the Hub itself."""
    if repo.library_name == "peft" or (name and "lora" in name.tuning):
        return "adapter"
    if len({edge.parent for edge in edges}) > 1 or (name and "merge" in name.tuning):
        return "merge"
    if (name and name.quantized) or "quantization_config" in repo.config or "gguf" in repo.tags:
        return "quantized"
    return "finetune"
