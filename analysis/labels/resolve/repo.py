"""A repo's labels: from its listing alone, or with all that is known of its artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.formats.formats import SIDECAR_ROLES
from analysis.labels.evidence.card import card_evidence
from analysis.labels.evidence.config import config_evidence
from analysis.labels.evidence.foundations import foundation_evidence
from analysis.labels.evidence.fuzzy import architecture_evidence, fuzzy_evidence
from analysis.labels.evidence.languages import language_evidence
from analysis.labels.evidence.licences import licence_evidence
from analysis.labels.evidence.make import make_evidence
from analysis.labels.evidence.names import name_evidence, parse_name_or_none
from analysis.labels.evidence.owners import owner_evidence
from analysis.labels.evidence.security import security_evidence
from analysis.labels.evidence.tags import tag_evidence, task_evidence
from analysis.labels.resolve.api_counts import summary_evidence
from analysis.labels.resolve.artifact import label_artifact
from analysis.labels.resolve.byte_counts import count_repo_by_bytes, reread_count
from analysis.labels.resolve.conflicts import find_conflicts, find_parent_conflict
from analysis.labels.resolve.inheritance import inherited_evidence
from analysis.labels.resolve.kind import find_kind
from analysis.labels.resolve.parents import choose_parent, edges_of, infer_relation
from analysis.labels.resolve.rollup import find_worst, roll_up
from analysis.labels.resolve.select import SIZES, build_labels, drop_foreign_version, select_strongest
from analysis.names import NameLabels
from analysis.untrusted import MAX_TAGS
from analysis.vocabulary.vocabulary import vocabulary
from db.record_base import Relation
from db.records import ArtifactRecord, Header, Labelled, LabelRecord, RepoRecord


def label_repo_and_artifacts(
    repo: RepoRecord, artifacts: Sequence[ArtifactRecord], headers: Mapping[str, Header] = {}
) -> tuple[Labelled, tuple[tuple[ArtifactRecord, Labelled], ...]]:
    """The labels of a repo and of each of its artifacts, from all that is known of them; `headers` by artifact."""
    labelled = tuple(
        [
            (each, label_artifact(repo, each, headers.get(each.artifact), artifacts, headers=headers))
            for each in artifacts
        ]
    )
    return label_repo(repo, labelled, headers), labelled


def label_repo(
    repo: RepoRecord,
    artifacts: Sequence[tuple[ArtifactRecord, Labelled]] = (),
    headers: Mapping[str, Header] = {},
) -> Labelled:
    """The labels of a repo: from its listing alone, or with its artifacts rolled up (`headers` by artifact)."""
    name = parse_name_or_none(repo.repo_id)
    claimed = name_evidence(name, "name") if name else ()
    edges = edges_of(repo, name, headers)
    parent = choose_parent(edges)
    relation = parent.relation if parent else None
    if parent and parent.relation == "unknown" and parent.source != "header":
        relation = infer_relation(repo, name, edges)
    pieces = [*claimed, *owner_evidence(repo.author or (name.owner if name else None))]
    for tag in repo.tags[:MAX_TAGS]:
        pieces += tag_evidence(tag)
    pieces += language_evidence(repo)
    pieces += card_evidence(repo)
    pieces += task_evidence(repo.pipeline_tag)
    lineage = inherited_evidence(edges, parent, relation, name)
    pieces += lineage
    pieces += foundation_evidence(name)
    packed = config_evidence(repo.config)
    pieces += packed
    pieces += summary_evidence(repo, name, packed, lineage)
    rolled_up, disputed = roll_up(artifacts, headers, name)
    pieces += rolled_up
    pieces += find_worst(artifacts)
    pieces += licence_evidence(repo)
    pieces += security_evidence(repo)
    if parent:
        pieces.append(make_evidence("base_model", parent.parent, parent.source, f"edge {parent.source}", 60))
        if relation:
            rule = "relation" if relation == parent.relation else "inferred"
            pieces.append(make_evidence("base_model_relation", relation, parent.source, rule, 60))
    best = select_strongest(pieces)
    architecture = best.get("architecture")
    if architecture and ("family" not in best or "base_family" not in best) and states_family(architecture):
        guessed = architecture_evidence(architecture.value, architecture.source)
        pieces += [each for each in guessed if "family" not in best or each.field.startswith("base_")]
        best = select_strongest(pieces)
    if "family" not in best and name is not None:
        pieces += fuzzy_evidence(name.unclaimed)
        best = select_strongest(pieces)
    silent = is_sidecar(repo, name, relation, artifacts)
    by_bytes = count_repo_by_bytes(artifacts)
    if not silent and reread_count(pieces, best, name, "name", by_bytes):
        best = select_strongest(pieces)
    drop_foreign_version(pieces, best)
    conflicts = find_conflicts(pieces, best, silent=silent, artifacts=artifacts, counted=by_bytes)
    if name is not None and (impossible := find_parent_conflict(name, best)) is not None:
        conflicts = (*conflicts, impossible)
    kind = find_kind(repo, name, best, parent, relation, [artifact for artifact, _ in artifacts])
    if kind is not None:
        pieces.append(kind)
        best["kind"] = kind
    labels, evidence = build_labels(pieces, best, drop=(*(SIZES if silent else ()), *disputed))
    return Labelled(labels, evidence, conflicts, edges, name.unclaimed if name else (), vocabulary().digest)


def states_family(architecture: LabelRecord) -> bool:
    """Whether an architecture identifies a family. `llama` of a GGUF file does not: Mistral and Yi state it too."""
    return architecture.value != "llama" or architecture.source == "config"


def is_sidecar(
    repo: RepoRecord,
    name: NameLabels | None,
    relation: Relation | None,
    artifacts: Sequence[tuple[ArtifactRecord, Labelled]],
) -> bool:
    """Whether a repo holds a draft, an adapter or the like: they are named after the model that they serve."""
    if name is not None and name.role in SIDECAR_ROLES:
        return True
    roles = {artifact.role for artifact, _ in artifacts}
    if "weights" in roles:
        return False
    return bool(roles & SIDECAR_ROLES) or relation == "adapter" or repo.library_name == "peft"
