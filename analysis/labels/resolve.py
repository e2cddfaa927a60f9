"""From evidence to labels: what a repo and each of its artifacts is, and which claims can't be true.

For every label the strongest evidence decides (analysis.labels.evidence.WEIGHT): header and tensor shapes before
config.json, the API's summary, a file's name, the card, the repo's name, its family's. What is claimed (by names,
cards, tags) and what is measured (in headers, config.json, the API's counts) are separate labels that stand side by
side; where they can't both be true, the contradiction is told.

The same input always gives the same labels; nothing here knows the clock, the network or the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.labels import NameLabels
from analysis.labels.evidence import (
    BITS_TAG,
    FLAGS,
    LINEAGE,
    LISTS,
    MOST_TAGS,
    ONLY_QUANTIZED,
    SIDECARS,
    Pieces,
    architecture_evidence,
    artifact_weights,
    card_edges,
    card_evidence,
    config_evidence,
    framework_evidence,
    fuzzy_evidence,
    gguf_evidence,
    header_edges,
    header_evidence,
    histogram,
    lineage_evidence,
    name_evidence,
    named,
    owner_evidence,
    piece,
    safetensors_evidence,
    said,
    scheme_bits,
    size_evidence,
    tag_edge,
    tag_evidence,
    task_evidence,
    text,
    width_evidence,
)
from analysis.labels.vocabulary import vocabulary
from db.records import (
    ArtifactRecord,
    ConflictRecord,
    EdgeRecord,
    Header,
    Labelled,
    LabelRecord,
    Labels,
    Relation,
    RepoRecord,
    Source,
)

LEAST = 20
"""Evidence that weighs less is kept and decides nothing."""

SIZES = ("parameters", "active_parameters", "experts")

Best = dict[str, LabelRecord]

_READ: Mapping[str, Any] = {
    "parameters": int, "active_parameters": int, "experts": int, "group_size": int, "context": int, "bits": float,
    "parameters_measured": int, "active_parameters_measured": int, "bits_per_weight": float, "context_measured": int,
    "quantized": "true".__eq__,
}  # fmt: skip
"""How the values that are no texts are read back from evidence."""
_FIELDS = frozenset(Labels.__dataclass_fields__)
_CLAIMS: frozenset[Source] = frozenset(("file", "card", "name", "tag", "lineage", "owner", "fuzzy"))
_CONTAINER = {
    "mlx": "safetensors", "exl2": "safetensors", "exl3": "safetensors", "mlc": "pytorch", "ctranslate2": "pytorch",
}  # fmt: skip
"""Formats whose files are another format's."""


def label_repo(
    repo: RepoRecord,
    artifacts: Sequence[tuple[ArtifactRecord, Labelled]] = (),
    headers: Mapping[str, Header] = {},
) -> Labelled:
    """The labels of a repo: from its listing alone, or with its artifacts rolled up (`headers` by artifact)."""
    name = named(repo.repo_id)
    claimed = name_evidence(name, "name") if name else ()
    edges = edges_of(repo, name, headers)
    parent = likeliest(edges)
    relation = parent.relation if parent else None
    if parent and parent.relation == "unknown" and parent.source != "header":
        relation = inferred_relation(repo, name, edges)
    pieces = [*claimed, *owner_evidence(repo.author or (name.owner if name else None))]
    card = card_evidence(repo)
    spoken = any(each.field == "languages" for each in card)  # the Hub repeats the card's languages as tags
    for tag in repo.tags[:MOST_TAGS]:
        told = tag_evidence(tag)
        pieces += told if not spoken else [each for each in told if each.field != "languages"]
    pieces += card
    pieces += task_evidence(repo.pipeline_tag)
    lineage = lineage_of(edges, parent, relation, name)
    pieces += lineage
    packed = config_evidence(repo.config)
    pieces += packed
    pieces += summary_evidence(repo, name, packed, lineage)
    if artifacts:
        pieces += roll_up(artifacts, headers, name)
    if parent:
        pieces.append(piece("base_model", parent.parent, parent.source, f"edge {parent.source}", 60))
        if relation:
            rule = "relation" if relation == parent.relation else "inferred"
            pieces.append(piece("base_model_relation", relation, parent.source, rule, 60))
    best = settled(pieces)
    architecture = best.get("architecture")
    if architecture and ("family" not in best or "base_family" not in best) and tells_family(architecture):
        guessed = architecture_evidence(architecture.value, architecture.source)
        pieces += [each for each in guessed if "family" not in best or each.field.startswith("base_")]
        best = settled(pieces)
    if "family" not in best and name is not None:
        pieces += fuzzy_evidence(name.unclaimed)
        best = settled(pieces)
    whose_version(pieces, best)
    silent = is_sidecar(repo, name, relation, artifacts)
    conflicts = contradictions(pieces, best, silent=silent, artifacts=artifacts)
    labels, evidence = decided(pieces, best, drop=SIZES if silent else ())
    return Labelled(labels, evidence, conflicts, edges, name.unclaimed if name else (), vocabulary().digest)


def tells_family(architecture: LabelRecord) -> bool:
    """GGUF files of Mistral, Yi, SmolLM and many more say llama: there it tells nothing."""
    return architecture.value != "llama" or architecture.source == "config"


def is_sidecar(
    repo: RepoRecord,
    name: NameLabels | None,
    relation: Relation | None,
    artifacts: Sequence[tuple[ArtifactRecord, Labelled]],
) -> bool:
    """Whether a repo holds a draft, an adapter or the like: they are named after the model that they serve."""
    if name is not None and name.role in SIDECARS:
        return True
    roles = {artifact.role for artifact, _ in artifacts}
    if "weights" in roles:
        return False
    return bool(roles & SIDECARS) or relation == "adapter" or repo.library_name == "peft"


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
    file = named(artifact.artifact) or named(artifact.artifact.rpartition("/")[2])  # a path may be too long for a name
    name = named(repo.repo_id)
    weights = artifact.role == "weights"
    pieces = list(name_evidence(file, "file") if file else ())
    container = container_of(artifact)
    if container:
        pieces.append(piece("format", container, "file", "extension", 70))
    if weights:
        pieces += borrowed(repo, artifact, file, name, siblings)
    if header:
        pieces += header_evidence(header)
    elif weights:
        pieces += derived(repo, artifact, siblings, headers)
    counted = strongest(pieces).get("parameters_measured")
    if header is None and counted and weights:
        pieces += size_evidence(artifact.total_size, int(counted.value))
    width = strongest(pieces).get("bits_per_weight")
    if width and weights:
        pieces += width_evidence(float(width.value), certain=header is not None)
    best = settled(pieces)
    silent = not weights or (header is not None and header.facts.get("role") in SIDECARS)
    conflicts = contradictions(pieces, best, silent=silent, header=header)
    labels, evidence = decided(pieces, best, drop=SIZES if silent else ())
    return Labelled(labels, evidence, conflicts, (), file.unclaimed if file else (), vocabulary().digest)


def label_whole(
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


# ---- the strongest evidence -----------------------------------------------------------------------------------------


def container_of(artifact: ArtifactRecord) -> str | None:
    """The format of an artifact's files, whatever they hold."""
    return _CONTAINER.get(artifact.format or "", artifact.format)


def strongest(pieces: Iterable[LabelRecord]) -> Best:
    """The piece that decides each label of one value: the heaviest, of equals the first."""
    best: Best = {}
    for each in pieces:
        known = best.get(each.field)
        if (known is None or each.weight > known.weight) and each.weight >= LEAST:
            best[each.field] = each
    return best


def claim(pieces: Iterable[LabelRecord], field: str) -> LabelRecord | None:
    """The strongest of those who only say so."""
    found = [each for each in pieces if each.field == field and each.source in _CLAIMS and each.weight >= LEAST]
    return max(found, key=lambda each: each.weight, default=None)


def decided(pieces: Iterable[LabelRecord], best: Best, drop: Sequence[str] = ()) -> tuple[Labels, Pieces]:
    """Labels of the deciding pieces, and all evidence with these marked; nothing decides a dropped field."""
    best = {field: each for field, each in best.items() if field not in drop}
    values: dict[str, Any] = {}
    lists: dict[str, list[str]] = {field: [] for field in LISTS}
    evidence: dict[LabelRecord, None] = {}
    for each in pieces:
        field = each.field
        if field in lists:
            if each.value not in lists[field]:
                lists[field].append(each.value)
            resolved = True
        elif field in FLAGS:
            values[field] = resolved = True
        else:
            resolved = best.get(field) is each
        if resolved:
            each = piece(field, each.value, each.source, each.rule, each.weight, True)
        evidence[each] = None
    for field, each in best.items():
        if field in _FIELDS and field not in lists and field not in FLAGS:
            read = _READ.get(field)
            values[field] = read(each.value) if read else each.value
    values |= {field: tuple(found) for field, found in lists.items() if found}
    return Labels(**values), tuple(evidence)


# ---- where it comes from --------------------------------------------------------------------------------------------

_TRUST: Mapping[Source, int] = {"api": 0, "card": 1, "tag": 2, "header": 3, "name": 4}


def edges_of(repo: RepoRecord, name: NameLabels | None, headers: Mapping[str, Header] = {}) -> tuple[EdgeRecord, ...]:
    """The repo's parents: those that the card, the tags and the API declare, in the card's order, else those of its
    headers, else one that its name tells. The same however the API's edges were ordered."""
    found: dict[EdgeRecord, None] = dict.fromkeys(card_edges(repo.card))
    for tag in repo.tags[:MOST_TAGS]:
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
    inferred = named_parent(name)
    return (inferred,) if inferred else ()


def likeliest(edges: Sequence[EdgeRecord]) -> EdgeRecord | None:
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


def inferred_relation(repo: RepoRecord, name: NameLabels | None, edges: Sequence[EdgeRecord]) -> Relation:
    """How a repo came from its parent, where nobody says it: as the Hub itself guesses."""
    if repo.library_name == "peft" or (name and "lora" in name.tuning):
        return "adapter"
    if len({edge.parent for edge in edges}) > 1 or (name and "merge" in name.tuning):
        return "merge"
    if (name and name.quantized) or "quantization_config" in repo.config or "gguf" in repo.tags:
        return "quantized"
    return "finetune"


def named_parent(name: NameLabels) -> EdgeRecord | None:
    """`bartowski/ilsp_Llama-Krikri-8B-Instruct-GGUF` names its parent's owner: ilsp/Llama-Krikri-8B-Instruct."""
    if name.owner is None or name.owner.lower() not in _FULL_ID_OWNERS or name.format is None:
        return None
    ending = f"-{name.format}"
    owner, _, rest = name.name.partition("_")
    if not rest.lower().endswith(ending) or not any(letter.isalpha() for letter in owner):
        return None
    return EdgeRecord(f"{owner}/{rest[: -len(ending)]}", "quantized", "name")


_FULL_ID_OWNERS = frozenset(("bartowski",))
"""Publishers who write the parent's whole id, with `_` for `/`, into their names."""


def lineage_of(
    edges: Sequence[EdgeRecord], parent: EdgeRecord | None, relation: Relation | None, name: NameLabels | None
) -> Pieces:
    """What the parent's name claims, of a merge where all parents agree; a name's own brand stays its own."""
    if parent is None or relation is None:
        return ()
    found = lineage_evidence(parent.parent, relation)
    for other in {edge.parent for edge in edges} if relation == "merge" else ():
        others = {(each.field, each.value) for each in lineage_evidence(other, relation)}
        found = tuple(each for each in found if (each.field, each.value) in others)
    if name is None or not found:
        return found
    theirs = {each.field: each for each in found}
    without = set()
    if name.parameters or name.active_parameters or {"pruned", "lora"} & set(name.tuning):
        without |= {"size", "parameters", "active_parameters", "experts", "approximate"}
    if name.version and name.family:
        without.add("version")
    if name.family and "family" in theirs and theirs["family"].value != name.family:
        without |= {"family", "version", "release"}
        found = (*found, *foundation(theirs, name))
    return tuple([each for each in found if each.field not in without and not says(name, each)])


def foundation(theirs: Best, name: NameLabels) -> Pieces:
    """The version of the foundation that a brand is built on, where the base model is that foundation itself."""
    family, version = theirs["family"], theirs.get("version")
    below = theirs.get("base_family", family).value
    if version is None or below != family.value or name.base_family not in (None, name.family, below):
        return ()
    return (piece("base_version", version.value, "lineage", version.rule, version.weight),)


def says(name: NameLabels, each: LabelRecord) -> bool:
    """Whether a name says the same as a piece of evidence."""
    own = getattr(name, each.field)
    return each.value in own if isinstance(own, tuple) else own is not None and text(own) == each.value


# ---- the API's summaries, weighed against the claim -----------------------------------------------------------------


def summary_evidence(repo: RepoRecord, name: NameLabels | None, packed: Pieces, lineage: Pieces) -> Pieces:
    """The `safetensors` and `gguf` blocks. A count that can't be the model's own decides nothing."""
    if not repo.safetensors and not repo.gguf:
        return ()
    stated = name.parameters if name else None
    if stated is None:
        stated = next((int(each.value) for each in lineage if each.field == "parameters"), None)
    scheme_told = any(each.field == "quantized" for each in packed) or bool(
        name and _CONTAINER.get(name.format or "", name.format) not in (None, "safetensors", "pytorch")
    )
    found = list(safetensors_evidence(repo.safetensors, scheme_told)) if repo.safetensors else []
    if stated:
        bits = next((float(each.value) for each in packed if each.field == "bits"), None) or (name and name.bits)
        found = [unpacked(each, repo, stated, bits or None) for each in found]
    for each in gguf_evidence(repo.gguf) if repo.gguf else ():
        if each.field == "parameters_measured":
            clip = repo.gguf.get("architecture") in ("clip", "imatrix")
            if clip or (stated and int(each.value) < stated / 2):  # a projector, a draft or one shard of many
                found.append(said(each.field, each.value, "api", "gguf.total of a part", 10))
                continue
        found.append(each)
    return tuple(found)


def unpacked(each: LabelRecord, repo: RepoRecord, stated: int, bits: float | None) -> LabelRecord:
    """A count of packed words, where unpacking it meets what the name states; else the count as it is."""
    if each.field != "parameters_measured" or int(each.value) >= stated * 0.7 or not bits or bits > 8:
        return each
    held = histogram(repo.safetensors)
    words = sum(held.get(dtype, 0) for dtype in ("I32", "U32"))
    octets = held.get("U8", 0)
    parameters = round(int(each.value) + words * (32 / bits - 1) + octets * (8 / bits - 1))
    if abs(parameters / stated - 1) <= 0.25:
        return said("parameters_measured", parameters, "api", "safetensors.parameters, words unpacked", each.weight)
    return each


# ---- one artifact ---------------------------------------------------------------------------------------------------


_SCHEME = frozenset(("quantized", "quant", "quant_method", "bits", "group_size", "qat", "imatrix", "dynamic"))


def borrowed(
    repo: RepoRecord,
    artifact: ArtifactRecord,
    file: NameLabels | None,
    name: NameLabels | None,
    siblings: Sequence[ArtifactRecord],
) -> Pieces:
    """What the repo says of this artifact: its config.json of the tensors beside it, its name of the only one."""
    found: list[LabelRecord] = []
    container = container_of(artifact)
    if container in ("safetensors", "pytorch") and "/" not in artifact.artifact:
        found += config_evidence(repo.config)
        for tag in repo.tags[:MOST_TAGS]:
            found += [each for each in tag_evidence(tag) if is_special(each, container)]
        found += [each for each in (name_evidence(name, "name") if name else ()) if is_special(each, container)]
    own_word = file is not None and (file.quant is not None or file.quantized is not None)
    if name and not own_word and _CONTAINER.get(name.format or "", name.format) in (None, container):
        others = (a for a in artifact_weights(siblings) if container_of(a) == container)
        if all(a.artifact == artifact.artifact for a in others):
            found += [each for each in name_evidence(name, "name") if each.field in _SCHEME]
    if container == "gguf" and "imatrix" in repo.tags and file is not None and file.quantized:
        found += tag_evidence("imatrix")
    if name and name.qat:  # how it was trained holds for each of its files, whatever its scheme
        found += [each for each in name_evidence(name, "name") if each.field == "qat"]
    return tuple(dict.fromkeys(found))


def derived(
    repo: RepoRecord, artifact: ArtifactRecord, siblings: Sequence[ArtifactRecord], headers: Mapping[str, Header]
) -> Pieces:
    """What others tell of an artifact whose header was not read: its siblings' headers, the API's blocks."""
    found: list[LabelRecord] = []
    container = container_of(artifact)
    peers = [a for a in artifact_weights(siblings) if a.artifact in headers] if headers else []
    for peer in peers:
        if container_of(peer) != container:
            continue
        header = headers[peer.artifact]
        if header.parameters and not header.inferred and one_model(artifact, peer):
            rule = f"header of {peer.artifact}"[:200]
            found.append(said("parameters_measured", header.parameters, "header", rule, 78))
            if header.active_parameters:
                found.append(said("active_parameters_measured", header.active_parameters, "header", rule, 78))
            if header.architecture:
                found.append(said("architecture", header.architecture, "header", rule, 78))
            if header.context:
                found.append(said("context_measured", header.context, "header", rule, 78))
            break
    if artifact.format == "gguf":
        block = gguf_evidence(repo.gguf)
        total = next((int(each.value) for each in block if each.field == "parameters_measured"), None)
        if total is None or artifact.total_size is None or 1 <= artifact.total_size * 8 / total <= 34:
            doubtful = total is not None and misfit(artifact, total)
            for each in block:
                if each.field == "parameters_measured" and doubtful:
                    found.append(said(each.field, each.value, "api", "gguf.total against name and size", 10))
                elif each.field != "format":
                    found.append(each)
    elif container == "safetensors" and artifact.primary and "/" not in artifact.artifact:
        told = any(each.field == "quantized" for each in config_evidence(repo.config))
        found += [each for each in safetensors_evidence(repo.safetensors, told) if each.field != "format"]
    return tuple(found)


def misfit(artifact: ArtifactRecord, total: int) -> bool:
    """Whether a count of parameters is another file's: name and bytes agree with each other and not with it."""
    file = named(artifact.artifact)
    usual = typical_bits(file.quant) if file and file.quant else None
    if file is None or file.parameters is None or usual is None or not artifact.total_size:
        return False
    implied = artifact.total_size * 8 / usual
    return 0.6 < implied / file.parameters < 1.7 and not 0.6 < implied / total < 1.7


def one_model(one: ArtifactRecord, other: ArtifactRecord) -> bool:
    """Whether two files are quants of one model, as far as their names tell."""
    a, b = named(one.artifact), named(other.artifact)
    if a is None or b is None:
        return False
    return a.parameters == b.parameters and a.size == b.size and (a.family, a.version) == (b.family, b.version)


def settled(pieces: list[LabelRecord]) -> Best:
    """The strongest evidence, once the format is known.

    A safetensors file of MLX or ExLlama is in their format, which the extension alone does not tell; some formats hold
    quantized weights alone; and tags of a GGUF repo are about some of its quants, never about all.
    """
    best = strongest(pieces)
    container = best.get("format")
    if container is None:
        return best
    special = [each for each in pieces if is_special(each, container.value)]
    container = max(special, key=lambda each: each.weight, default=container)
    if container.value in ONLY_QUANTIZED:
        pieces += framework_evidence(container)
        best = strongest(pieces)
    elif container.value in ("gguf", "ggml"):
        best = strongest([each for each in pieces if not of_one(each)])
        quantized = best.get("quantized")
        if quantized and quantized.value == "true" and "quant_method" not in best:
            method = piece("quant_method", container.value, container.source, f"container {container.value}", 42)
            pieces.append(method)
            best["quant_method"] = method
    best["format"] = container
    return best


def is_special(each: LabelRecord, container: str) -> bool:
    """Whether evidence says that files of a container are in a format that uses it."""
    return each.field == "format" and _CONTAINER.get(each.value) == container


def of_one(each: LabelRecord) -> bool:
    """Whether a tag speaks of a scheme."""
    return each.source == "tag" and each.field in ("quant", "quant_method", "bits")


def whose_version(pieces: Sequence[LabelRecord], best: Best) -> None:
    """A version belongs to its family: where another source tells the family, the name's `v2` is not the family's."""
    family, version = best.get("family"), best.get("version")
    if (
        family is None
        or version is None
        or version.source == family.source
        or family.source in ("name", "file", "fuzzy")
    ):
        return
    theirs = [each for each in pieces if each.field == "version" and each.source == family.source]
    if theirs:
        best["version"] = theirs[0]
    else:
        del best["version"]


# ---- roll-up --------------------------------------------------------------------------------------------------------

_SHARED = ("quant_method", "bits", "group_size", "quant_measured", "bits_per_weight")
_COUNTED = ("parameters_measured", "active_parameters_measured", "architecture", "context_measured")


def roll_up(
    artifacts: Sequence[tuple[ArtifactRecord, Labelled]], headers: Mapping[str, Header], name: NameLabels | None
) -> Pieces:
    """What a repo's artifacts say of the repo: the main format, what all its quants share, the model's own counts.

    Sidecars (projectors, drafts, adapters, importance matrices) are not the model and are never counted, unless there
    is nothing else.
    """
    held = [(a, labelled) for a, labelled in artifacts if a.role == "weights" and a.primary and is_model(a, headers)]
    if not held:
        held = [(a, labelled) for a, labelled in artifacts if a.role in ("adapter", "draft")]
    if not held:
        return ()
    main = main_format(held, name)
    held = [(a, labelled) for a, labelled in held if labelled.labels.format == main]
    found: list[LabelRecord] = []
    if main:
        found.append(piece("format", main, "file", f"{len(held)} artifacts", 70))
    quants = {labelled.labels.quant for _, labelled in held}
    if len(quants) == 1 and None not in quants:
        found += [each for field in ("quant", *_SHARED) if (each := basis(held[0][1], field)) and shared(held, field)]
    kinds = {labelled.labels.quantized for _, labelled in held}
    if True in kinds or kinds == {False}:
        decider = next(labelled for _, labelled in held if labelled.labels.quantized is (True in kinds))
        each = basis(decider, "quantized")
        if each:
            found.append(each)
    for field in ("imatrix", "dynamic", "qat"):
        flagged = next((each for _, labelled in held if (each := basis(labelled, field))), None)
        if flagged:
            found.append(flagged)
    counted = counting(held, headers, name)
    if counted:
        found += [each for field in _COUNTED if (each := basis(counted, field))]
    for field in LINEAGE:
        values = {getattr(labelled.labels, field) for _, labelled in held}
        if len(values) == 1 and None not in values:
            found.append(piece(field, text(values.pop()), "file", "file names agree", 38))
    return tuple(found)


def is_model(artifact: ArtifactRecord, headers: Mapping[str, Header]) -> bool:
    """Whether a file that its path takes for weights is no sidecar by its header's own word."""
    header = headers.get(artifact.artifact)
    return header is None or header.facts.get("role") not in SIDECARS


def basis(labelled: Labelled, field: str) -> LabelRecord | None:
    """The evidence that gave an artifact's label its value."""
    return next((each for each in labelled.evidence if each.resolved and each.field == field), None)


def shared(held: Sequence[tuple[ArtifactRecord, Labelled]], field: str) -> bool:
    values = [getattr(labelled.labels, field) for _, labelled in held]
    return all(value == values[0] for value in values)


def main_format(held: Sequence[tuple[ArtifactRecord, Labelled]], name: NameLabels | None) -> str | None:
    """The format that a repo is about: the one in its name, else safetensors, else the one with the most bytes."""
    sizes: dict[str | None, int] = {}
    for artifact, labelled in held:
        format_ = labelled.labels.format
        sizes[format_] = sizes.get(format_, 0) + (artifact.total_size or 0)
    if name and name.format in sizes:
        return name.format
    for preferred in ("mlx", "exl3", "exl2", "safetensors"):
        if preferred in sizes:
            return preferred
    return max(sizes, key=lambda format_: (sizes[format_], format_ or ""))


def counting(
    held: Sequence[tuple[ArtifactRecord, Labelled]], headers: Mapping[str, Header], name: NameLabels | None
) -> Labelled | None:
    """The artifact whose counts are the model's: of a pipeline its transformer, else verified before derived, then the
    one nearest to the claim; None where a repo holds models of different sizes."""
    known = [(a, labelled) for a, labelled in held if labelled.labels.parameters_measured]
    if not known:
        return held[0][1] if len(held) == 1 else None
    central = [(a, labelled) for a, labelled in known if a.artifact.startswith(("transformer/", "unet/"))]
    if central:
        known = central[:1]
    counts = [labelled.labels.parameters_measured or 0 for _, labelled in known]
    stated = name.parameters if name else None
    if max(counts) > 1.5 * min(counts):
        if stated is None:
            return None
        known = [item for item, held_ in zip(known, counts, strict=True) if 0.5 < held_ / stated < 2]
        if not known:
            return None

    def rank(item: tuple[ArtifactRecord, Labelled]) -> tuple[bool, bool, bool, int]:
        artifact, labelled = item
        header = headers.get(artifact.artifact)
        read = header is not None and not header.inferred
        verified = bool(header and header.size_verified)
        return (read, verified, labelled.labels.quantized is False, labelled.labels.parameters_measured or 0)

    return max(known, key=rank)[1]


# ---- contradictions -------------------------------------------------------------------------------------------------

_RIVALS = frozenset((
    "GPTQ", "AWQ", "HQQ", "AQLM", "QUIP", "SPQR", "VPTQ", "EETQ", "QUANTO", "EXL2", "EXL3", "BNB-NF4", "BNB-INT8",
))  # fmt: skip
"""Schemes that exclude each other."""


def contradictions(
    pieces: list[LabelRecord],
    best: Best,
    *,
    silent: bool,
    header: Header | None = None,
    artifacts: Sequence[tuple[ArtifactRecord, Labelled]] = (),
) -> tuple[ConflictRecord, ...]:
    """Claims and measurements that can't both be true. Settles in `best` what the claimed scheme is."""
    container = best.get("format")
    told: Sequence[LabelRecord] = pieces
    if container and container.value in ("gguf", "ggml"):
        told = [each for each in pieces if not of_one(each)]
    # relations and publishers are loose words, and so is a tag of bits
    firm = [each for each in told if each.source not in ("lineage", "owner") and each.weight > BITS_TAG]
    found = [] if silent else [refuted_count(told, best, field) for field in ("parameters", "active_parameters")]
    found += [
        refuted_count(told, best, "context"),
        refuted_scheme(claim(told, "quant"), pieces, best, header),
        refuted_quantized(firm),
        refuted_bits(firm),
        refuted_format(pieces, artifacts),
    ]
    return tuple([each for each in found if each])


def refuted_count(told: Iterable[LabelRecord], best: Best, field: str) -> ConflictRecord | None:
    """A claimed count more than a factor of two from the measured one. What a base model alone lent is taken back."""
    said_, counted = claim(told, field), best.get(f"{field}_measured")
    if said_ is None or counted is None or not apart(int(said_.value), int(counted.value)):
        return None
    if field == "active_parameters" and "size" in best and best["size"].value.startswith("E"):
        return None  # effective parameters leave embeddings out
    if field == "parameters" and any(each.field == "tuning" and each.value == "lora" for each in told):
        return None  # an adapter's name carries its target's size; one folded in keeps it
    if said_.source == "lineage":
        for each in ("size", *SIZES):
            if each in best and best[each].source == "lineage":
                del best[each]
    return against(field, said_, counted)


def refuted_quantized(firm: Sequence[LabelRecord]) -> ConflictRecord | None:
    """Quantized by somebody's word and not by measurement, or the other way round."""
    said_, counted = claim(firm, "quantized"), measured(firm, "quantized")
    return against("quantized", said_, counted) if said_ and counted and said_.value != counted.value else None


def refuted_bits(firm: Sequence[LabelRecord]) -> ConflictRecord | None:
    """Claimed bits a bit or more from those of config.json."""
    said_, counted = claim(firm, "bits"), measured(firm, "bits")
    if said_ is None or counted is None or abs(float(said_.value) - float(counted.value)) < 1:
        return None
    return against("bits", said_, counted)


def against(field: str, said_: LabelRecord, counted: LabelRecord) -> ConflictRecord:
    return ConflictRecord(field, said_.value, said_.source, counted.value, counted.source)


def apart(one: float, other: float) -> bool:
    """More than a factor of two."""
    return one > 2 * other or other > 2 * one


def measured(pieces: Iterable[LabelRecord], field: str) -> LabelRecord | None:
    """The strongest of those who looked."""
    found = [each for each in pieces if each.field == field and each.source not in _CLAIMS and each.weight >= LEAST]
    return max(found, key=lambda each: each.weight, default=None)


def adopt(counted: LabelRecord, pieces: list[LabelRecord], best: Best) -> None:
    """The measured scheme is the answer where nobody claims one, and its bits, where only claims tell them."""
    scheme = piece("quant", counted.value, counted.source, counted.rule, counted.weight)
    pieces.append(scheme)
    best["quant"] = scheme
    bits = scheme_bits(counted.value)
    if bits is not None and ("bits" not in best or best["bits"].source in _CLAIMS):
        best["bits"] = piece("bits", text(bits), counted.source, counted.rule, counted.weight)
        pieces.append(best["bits"])


def refuted_scheme(
    said_: LabelRecord | None, pieces: list[LabelRecord], best: Best, header: Header | None
) -> ConflictRecord | None:
    """The claimed scheme against what was measured: another scheme, or bits a weight that it can't have.

    What a name or a card claims stays the label `quant`, refuted or not, for `quant_measured` stands beside it.
    """
    counted, width = best.get("quant_measured"), best.get("bits_per_weight")
    if counted and (said_ is None or said_.source == "tag"):
        adopt(counted, pieces, best)
    elif said_:
        best["quant"] = said_
    if said_ is None:
        return None
    bits = f"{float(width.value):.2f} bits a weight" if width else ""
    if header is not None and header.format == "gguf":
        if mix_agrees(said_.value, header):
            return None
        return against("quant", said_, counted or said("quant", bits, "tensors", "types"))
    if counted and not compatible(said_, counted, pieces):
        return against("quant", said_, counted)
    if width and out_of_range(said_.value, float(width.value), best.get("parameters_measured")):
        return ConflictRecord("quant", said_.value, said_.source, bits, width.source)
    return None


def compatible(said_: LabelRecord, counted: LabelRecord, pieces: Iterable[LabelRecord]) -> bool:
    """Whether a claimed scheme can be what config.json or the tensors' types show."""
    if said_.value == counted.value:
        return True
    if said_.value in _RIVALS and counted.value in _RIVALS:
        return False
    bits = next((float(e.value) for e in pieces if e.field == "bits" and e.source == said_.source), None)
    one = bits if bits is not None else scheme_bits(said_.value)
    other = next((float(e.value) for e in pieces if e.field == "bits" and e.source == counted.source), None)
    other = other if other is not None else scheme_bits(counted.value)
    return one is None or other is None or abs(one - other) < 1


def mix_agrees(scheme: str, header: Header) -> bool:
    """Whether a GGUF file's tensors can be what its name says.

    A scheme is a mix: Q4_K_M holds Q6_K too, and rows that do not divide by 256 fall back to other types. So it is
    refuted only where no tensor has its width and the bits a weight are far from usual, or where they are too few.
    """
    if header.quant == scheme:  # the reader has held the name against the layers' matrices
        return True
    usual, bits = typical_bits(scheme), header.bits_per_weight
    if usual is None or bits is None:
        return True
    if bits < 0.7 * usual:
        return False
    if bits <= 1.25 * usual or bits > 1.5 * usual:
        return bits <= 1.25 * usual
    whole = sum(header.types.values())
    width = scheme_bits(scheme)
    own = sum(n for kind, n in header.types.items() if scheme_bits(kind) == width)
    return bool(whole) and own >= 0.05 * whole


def typical_bits(scheme: str) -> float | None:
    """Bits a weight that files of a GGUF or full-precision scheme usually have."""
    usual = vocabulary().gguf.get(scheme)
    if usual is None and vocabulary().find("float", scheme):
        return scheme_bits(scheme)
    if usual is None:
        stem = scheme.rpartition("_")[0]
        usual = vocabulary().gguf.get(stem)
    return usual


def out_of_range(scheme: str, bits: float, parameters: LabelRecord | None) -> bool:
    """Whether files can't have so many bits a weight under a scheme. Small models keep large embeddings as they are."""
    usual = typical_bits(scheme)
    small = parameters is not None and int(parameters.value) < 1_500_000_000
    if usual is not None:
        return bits < 0.7 * usual or bits > (2.8 if small else 1.6) * usual
    usual = scheme_bits(scheme)
    if usual is None:
        return bits > 15.5
    return bits < 0.75 * usual or (bits > 15.5 and usual < 12) or bits > (4 if small else 2.5) * usual + 2


def refuted_format(
    pieces: Sequence[LabelRecord], artifacts: Sequence[tuple[ArtifactRecord, Labelled]]
) -> ConflictRecord | None:
    """A container that the name claims and no file has."""
    said_ = next((each for each in pieces if each.field == "format" and each.source == "name"), None)
    if said_ is None:
        return None
    wanted = _CONTAINER.get(said_.value, said_.value)
    if artifacts:
        held = {container_of(artifact) for artifact, _ in artifacts if artifact.role in ("weights", *SIDECARS)}
        if held and wanted not in held and None not in held:
            shown = next((e for e in pieces if e.field == "format" and e.source == "file"), None)
            return against("format", said_, shown) if shown else None
        return None
    tagged = {_CONTAINER.get(e.value, e.value): e for e in pieces if e.field == "format" and e.source == "tag"}
    if tagged and wanted == "gguf" and wanted not in tagged:
        return against("format", said_, max(tagged.values(), key=lambda each: each.weight))
    return None
