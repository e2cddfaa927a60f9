"""One artifact's labels: what its name, its header, its size, its siblings and its repo say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from analysis.formats.formats import SIDECAR_ROLES, find_container, find_format
from analysis.labels.evidence.api_counts import gguf_evidence, safetensors_evidence
from analysis.labels.evidence.config import config_evidence
from analysis.labels.evidence.formats import artifact_container, is_stored_in
from analysis.labels.evidence.headers import header_evidence
from analysis.labels.evidence.make import Evidence, make_evidence, make_measured
from analysis.labels.evidence.names import name_evidence, parse_name_or_none
from analysis.labels.evidence.security import unsafe_format_evidence
from analysis.labels.evidence.sizes import bits_per_weight_evidence, size_evidence
from analysis.labels.evidence.tags import tag_evidence
from analysis.labels.resolve.byte_counts import count_artifact_by_bytes, reread_count
from analysis.labels.resolve.conflicts import find_conflicts
from analysis.labels.resolve.select import SIZES, build_labels, select_strongest, strongest
from analysis.names import NameLabels
from analysis.schemes.schemes import usual_file_bits
from analysis.untrusted import MAX_TAGS
from analysis.vocabulary.vocabulary import vocabulary
from db.labels import MODEL_LABELS
from db.records import ArtifactRecord, Header, Labelled, LabelRecord, RepoRecord

_SCHEME = frozenset(("quantized", "quant", "quant_method", "bits", "group_size", "qat", "imatrix", "dynamic"))


def label_artifact(
    repo: RepoRecord,
    artifact: ArtifactRecord,
    header: Header | None = None,
    siblings: Sequence[ArtifactRecord] = (),
    headers: Mapping[str, Header] = {},
) -> Labelled:
    """The labels of one artifact. `siblings`: the repo's artifacts; `headers`: theirs, as far as read, by artifact.

    A sibling's header tells how many parameters this one has, if both are quants of one model.
    """
    file = parse_name_or_none(artifact.artifact) or parse_name_or_none(
        artifact.artifact.rpartition("/")[2]
    )  # a path may be too long for a name
    name = parse_name_or_none(repo.repo_id)
    weights = artifact.role == "weights"
    pieces = list(name_evidence(file, "file") if file else ())
    container = artifact_container(artifact)
    if container:
        pieces.append(make_evidence("format", container, "file", "extension", 70))
        pieces += unsafe_format_evidence(artifact)
    if weights:
        pieces += repo_evidence(repo, artifact, file, name, siblings)
    if header:
        pieces += header_evidence(header)
    elif weights:
        pieces += sibling_evidence(repo, artifact, siblings, headers)
    counted = strongest(pieces).get("parameters_measured")
    if header is None and counted and weights:
        pieces += size_evidence(artifact.total_size, int(counted.value))
    width = strongest(pieces).get("bits_per_weight")
    if width and weights:
        pieces += bits_per_weight_evidence(float(width.value), certain=header is not None)
    best = select_strongest(pieces)
    silent = not weights or (header is not None and header.facts.get("role") in SIDECAR_ROLES)
    scheme = best.get("quant")
    by_bytes = count_artifact_by_bytes(artifact, scheme.value if scheme else None)
    if not silent and reread_count(pieces, best, file, "file", by_bytes):
        best = select_strongest(pieces)
    conflicts = find_conflicts(pieces, best, silent=silent, header=header, counted=by_bytes)
    labels, evidence = build_labels(pieces, best, drop=SIZES if silent else ())
    return Labelled(labels, evidence, conflicts, (), file.unclaimed if file else (), vocabulary().digest)


def repo_evidence(
    repo: RepoRecord,
    artifact: ArtifactRecord,
    file: NameLabels | None,
    name: NameLabels | None,
    siblings: Sequence[ArtifactRecord],
) -> Evidence:
    """What the repo states of this artifact: config.json of tensors beside it, the repo's name of its only weights."""
    found: list[LabelRecord] = []
    container = artifact_container(artifact)
    if container and find_format(container).described_by_config and "/" not in artifact.artifact:
        found += config_evidence(repo.config)
        for tag in repo.tags[:MAX_TAGS]:
            found += [each for each in tag_evidence(tag) if is_stored_in(each, container)]
        found += [each for each in (name_evidence(name, "name") if name else ()) if is_stored_in(each, container)]
    own_word = file is not None and (file.quant is not None or file.quantized is not None)
    if name and not own_word and find_container(name.format) in (None, container):
        others = (a for a in primary_weights(siblings) if artifact_container(a) == container)
        if all(a.artifact == artifact.artifact for a in others):
            found += [each for each in name_evidence(name, "name") if each.field in _SCHEME]
    if find_format(container).imatrix and "imatrix" in repo.tags and file is not None and file.quantized:
        found += tag_evidence("imatrix")
    if name and name.qat:  # how it was trained holds for each of its files, whatever its scheme
        found += [each for each in name_evidence(name, "name") if each.field == "qat"]
    return tuple(dict.fromkeys(found))


def sibling_evidence(
    repo: RepoRecord, artifact: ArtifactRecord, siblings: Sequence[ArtifactRecord], headers: Mapping[str, Header]
) -> Evidence:
    """Evidence for an artifact whose header was not read: its siblings' headers, the blocks of the Hub's answer."""
    found: list[LabelRecord] = []
    container = artifact_container(artifact)
    peers = [a for a in primary_weights(siblings) if a.artifact in headers] if headers else []
    for peer in peers:
        if artifact_container(peer) != container:
            continue
        header = headers[peer.artifact]
        if header.parameters and not header.inferred and is_same_model(artifact, peer):
            rule = f"header of {peer.artifact}"[:200]
            of_model = (each for each in header_evidence(header) if each.field in MODEL_LABELS)
            found += [make_measured(each.field, each.value, "header", rule, 78) for each in of_model]
            break
    api_counts = _API_COUNTS.get(container or "")
    if api_counts:
        found += api_counts(repo, artifact)
    return tuple(found)


def gguf_block_evidence(repo: RepoRecord, artifact: ArtifactRecord) -> list[LabelRecord]:
    """The API's gguf block, as far as it can be about this file: it is about one of the repo's."""
    block = gguf_evidence(repo.gguf)
    total = next((int(each.value) for each in block if each.field == "parameters_measured"), None)
    if total is not None and artifact.total_size is not None and not 1 <= artifact.total_size * 8 / total <= 34:
        return []
    doubtful = total is not None and disagrees_with_siblings(artifact, total)
    return [
        make_measured(each.field, each.value, "api", "gguf.total against name and size", 10)
        if each.field == "parameters_measured" and doubtful
        else each
        for each in block
        if each.field in MODEL_LABELS  # `quantized` is of the one file whose size the block gives
    ]


def safetensors_block_evidence(repo: RepoRecord, artifact: ArtifactRecord) -> list[LabelRecord]:
    """The API's safetensors block: it is about the primary weights of the repo's top folder."""
    if not artifact.primary or "/" in artifact.artifact:
        return []
    packed = any(each.field == "quantized" for each in config_evidence(repo.config))
    return [each for each in safetensors_evidence(repo.safetensors, packed) if each.field != "format"]


_API_COUNTS: Mapping[str, Callable[[RepoRecord, ArtifactRecord], list[LabelRecord]]] = {
    "gguf": gguf_block_evidence, "safetensors": safetensors_block_evidence,
}  # fmt: skip
"""Format of the files -> what the API's block about them says of one artifact."""


def primary_weights(artifacts: Iterable[ArtifactRecord]) -> list[ArtifactRecord]:
    """The artifacts that are the model itself, one copy each."""
    return [artifact for artifact in artifacts if artifact.role == "weights" and artifact.primary]


def is_same_model(one: ArtifactRecord, other: ArtifactRecord) -> bool:
    """Whether the names of two files claim the same family, version and size: quants of one model."""
    a, b = parse_name_or_none(one.artifact), parse_name_or_none(other.artifact)
    if a is None or b is None:
        return False
    return a.parameters == b.parameters and a.size == b.size and (a.family, a.version) == (b.family, b.version)


def disagrees_with_siblings(artifact: ArtifactRecord, total: int) -> bool:
    """Whether a count of parameters belongs to another file: name and size agree with each other, not with it."""
    file = parse_name_or_none(artifact.artifact)
    usual = usual_file_bits(file.quant) if file and file.quant else None
    if file is None or file.parameters is None or usual is None or not artifact.total_size:
        return False
    implied = artifact.total_size * 8 / usual
    return 0.6 < implied / file.parameters < 1.7 and not 0.6 < implied / total < 1.7
