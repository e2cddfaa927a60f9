"""The record types of the catalog: what one stage passes to the next.

    RepoRecord -> FileRecord -> ArtifactRecord -> Header -> LabelRecord -> Enrichment | Skipped -> rows

Frozen, slotted, picklable dataclasses on the standard library alone, so that any stage may run in a thread, another
process or another machine. Times are aware UTC datetimes; sizes are bytes; counts are exact integers; what is not known
is None, never a default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from db.labels import Labels
from db.record_base import Depth, FastPickle, Gated, Json, Relation, RepoType, Role, SkipReason, Source, Status


@dataclass(frozen=True, slots=True)
class EdgeRecord(FastPickle):
    """One declared or inferred parent of a repo."""

    parent: str  # repo id as written, perhaps of a repo that the catalog does not hold
    relation: Relation
    source: Source  # api, card, tag, header, name


@dataclass(frozen=True, slots=True)
class EvalRecord(FastPickle):
    """One published evaluation result of a model card (`model-index`) or of the Hub's evalResults."""

    task: str
    dataset: str
    metric: str
    value: float
    source: Source


@dataclass(frozen=True, slots=True)
class RepoRecord(FastPickle):
    """One row of the Hub's listing, validated. `hub_id` (the Hub's `_id`) survives renames; `repo_id` does not."""

    hub_id: str
    repo_id: str
    author: str | None = None
    sha: str | None = None
    created_at: datetime | None = None
    last_modified: datetime | None = None
    downloads: int | None = None
    downloads_all_time: int | None = None
    likes: int | None = None
    trending_score: float | None = None
    private: bool = False
    gated: Gated | None = None
    disabled: bool = False
    pipeline_tag: str | None = None
    library_name: str | None = None
    license: str | None = None
    used_storage: int | None = None
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()  # of the card, as written
    card: Json = field(default_factory=dict)  # bounded; never rendered
    config: Json = field(default_factory=dict)
    safetensors: Json = field(default_factory=dict)  # {"parameters": {dtype: n}, "total": n}
    gguf: Json = field(default_factory=dict)  # {"total", "architecture", "context_length", ...}; one file's facts
    edges: tuple[EdgeRecord, ...] = ()
    evaluations: tuple[EvalRecord, ...] = ()
    extra: Json = field(default_factory=dict)  # keys of the Hub that this version does not know
    type: RepoType = "model"
    row: int | None = field(default=None, compare=False)  # db.derive.digest.row_digest of its row of the listing

    @property
    def status(self) -> Status:
        if self.disabled:
            return "disabled"
        if self.private:
            return "private"
        return "gated" if self.gated else "available"


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a model card, the README.md of a model, documents. None means unknown, except in `text`."""

    bytes: int | None = None  # 0: the repo has no card; None: it could not be read
    fields: tuple[str, ...] | None = None  # metadata fields that have a value
    placeholders: int | None = None  # how often it says "More Information Needed"
    intended_use: bool | None = None
    limits: bool | None = None
    bias: bool | None = None
    training_data: bool | None = None
    evaluation: bool | None = None
    environment: bool | None = None
    text: str | None = None  # kept only if that was asked for


CARD_SECTIONS = ("intended_use", "limits", "bias", "training_data", "evaluation", "environment")
"""The fields of CardFacts that are sections of a card."""


@dataclass(frozen=True, slots=True)
class CardRequest:
    """A card that is to be read: of a repo, at its present commit."""

    hub_id: str
    repo_id: str
    sha: str | None
    size: int | None  # bytes; None: unknown
    has_card: bool | None  # None: its files were not listed
    blob_id: str | None = None


@dataclass(frozen=True, slots=True)
class CardRecord:
    """The card of a repo at a commit."""

    request: CardRequest
    facts: CardFacts


@dataclass(frozen=True, slots=True)
class LeaderboardEntry:
    """One row of a benchmark's leaderboard, as the Hub gives it."""

    model: str
    rank: int | None
    value: float | None
    verified: bool
    source: str | None


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """A branch, a tag or a commit of a repo. `files` are None where they were not asked for."""

    name: str
    kind: str  # branch, tag or commit
    sha: str | None
    files: tuple[FileRecord, ...] | None = None


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of a repo's main revision."""

    path: str
    size: int | None = None
    blob_id: str | None = None  # git sha1
    sha256: str | None = None  # of LFS and Xet files only
    scan_status: str | None = None  # the worst status of the Hub's scanners
    scans: str | None = None  # JSON object: what each of them reports, where the file has an issue

    @property
    def content_blob_id(self) -> str | None:
        """Git's hash of the content, if git holds it: for others it is that of a pointer, a text with sha256 and size,
        and follows from these."""
        return None if self.sha256 else self.blob_id


@dataclass(frozen=True, slots=True)
class ArtifactRecord:
    """One unit that a user loads: a quantized model with its shards joined, or a sidecar file.

    `artifact` is unique in the repo: the file's path, or for shards the path without the shard's number.
    `content` identifies the bytes: the file's sha256, or one over its shards' in order; None if one lacks its hash.
    """

    artifact: str
    role: Role
    format: str | None
    paths: tuple[str, ...]
    total_size: int | None
    content: str | None = None
    primary: bool = True  # False for a further copy of the same weights in another layout or precision


@dataclass(frozen=True, slots=True)
class Header:
    """What the bytes say of one artifact, its shards merged."""

    format: str  # gguf, safetensors
    version: int | None
    architecture: str | None
    parameters: int | None  # logical, through packing
    active_parameters: int | None
    tensor_count: int
    types: Mapping[str, int]  # tensor type -> elements as stored
    quant: str | None  # the dominant scheme, canonical
    quant_method: str | None
    quant_share: float | None  # share of the parameters that the dominant scheme holds
    bits_per_weight: float | None
    context: int | None
    size: int | None  # bytes of all files, as the header implies them
    size_verified: bool | None  # the size identity held against the files' sizes; None where sizes are unknown
    content: str | None = None  # ArtifactRecord.content
    inferred: bool = False  # the parameter count was taken from elsewhere, not from tensors
    requests: int = 0
    bytes_read: int = 0
    facts: Json = field(default_factory=dict)  # bounded: attention geometry, base models, tokenizer, quantizer, ...
    tensor_layout: int | None = None  # 64-bit digest of all tensors' names, shapes and types
    tensor_shapes: int | None = None  # of their names and shapes


@dataclass(frozen=True, slots=True)
class ArrayLength:
    """The length of a GGUF header's string array, learnt once: the next header with this tokenizer jumps it."""

    key: str  # tokenizer.ggml.tokens
    count: int
    digest: str  # of the array's first bytes
    length: int  # bytes of the whole array


@dataclass(frozen=True, slots=True)
class LabelRecord(FastPickle):
    """One piece of evidence for one label. Lists are a record an element; booleans are "true" and "false"."""

    field: str
    value: str
    source: Source
    rule: str  # what said so: a rule's name, a tag, a key of the config
    weight: int  # 0 to 100
    resolved: bool = False


@dataclass(frozen=True, slots=True)
class ConflictRecord(FastPickle):
    """A claim and a measurement that can't both be true."""

    field: str
    claimed: str
    claimed_by: Source
    measured: str
    measured_by: Source


@dataclass(frozen=True, slots=True)
class Labelled(FastPickle):
    """Labels of a repo or of one artifact, with the evidence they rest on."""

    labels: Labels
    evidence: tuple[LabelRecord, ...]
    conflicts: tuple[ConflictRecord, ...] = ()
    edges: tuple[EdgeRecord, ...] = ()  # repos only: declared ones first, then those inferred from the name
    unclaimed: tuple[str, ...] = ()  # tokens of the name that no rule claimed
    vocabulary: str = ""  # digest of the vocabulary that said so


@dataclass(frozen=True, slots=True)
class DerivedValues(FastPickle):
    """What a listed repo's rows hold beside the record itself."""

    facts: str  # repo_facts.facts
    digest: int  # repos.digest
    document: str  # what search looks at


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry of the Hub that was skipped, and why."""

    repo_id: str
    reason: SkipReason
    detail: str
    seen_at: datetime
    hub_id: str | None = None


@dataclass(frozen=True, slots=True)
class ListingPosition:
    """Where a walk of the listing continues.

    A walk reads the oldest repos first. Where that is impossible it continues from the newest repo, down to `stop_at`.
    """

    cursor: str  # opaque: where the next page starts
    ascending: bool = True  # oldest repos first
    created_at: datetime | None = None  # of the newest repo up to which the walk, oldest first, has left no gap
    stop_at: datetime | None = None  # a walk from the newest repo ends at repos created before; None: at the oldest


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the listing, validated and labelled, with the position to continue from."""

    repos: tuple[tuple[RepoRecord, Labelled], ...]
    skipped: tuple[Skipped, ...]
    position: ListingPosition | None  # of the next page; None after the last
    thin: bool = False  # without card, config and counts of tensors: at a known commit those of the catalog hold
    derived: tuple[DerivedValues, ...] = ()  # of each repo, if it was computed beforehand
    known: tuple[RepoRecord, ...] = ()  # rows that are as they were: records of ids, dates and counters alone


@dataclass(frozen=True, slots=True)
class PageCounts:
    """What storing one page did. `seen` = `new` + `changed` + `unchanged`; `refreshed` of the changed ones differ in
    counters alone."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    refreshed: int = 0


@dataclass(frozen=True, slots=True)
class Enrichment:
    """All that one repo's visit found. `depth` says how deep the visit went."""

    repo: RepoRecord
    depth: Depth
    labelled: Labelled
    files: tuple[FileRecord, ...] = ()
    artifacts: tuple[tuple[ArtifactRecord, Labelled], ...] = ()
    headers: tuple[Header, ...] = ()  # newly read ones, keyed by their `content`
    layouts: tuple[ArrayLength, ...] = ()  # newly learnt ones
    skipped: tuple[Skipped, ...] = ()  # parts that could not be read
    derived: DerivedValues | None = None  # if it was computed beforehand
    listed_digest: int | None = None  # repos.digest of what the Hub's metadata say of the repo; None keeps the stored


@dataclass(frozen=True, slots=True)
class Refreshed:
    """An enrichment that was made from what the catalog holds of a commit and what the listing says of it now."""

    enrichment: Enrichment
    is_complete: bool = True  # False: the commit is to be read again, since more of it would be read now


@dataclass(frozen=True, slots=True)
class LeasedRepo:
    """One repo that the frontier wants visited, with what the catalog knows of it."""

    hub_id: str
    repo_id: str
    sha: str | None
    depth: Depth | None  # the depth reached at this sha, None if never visited
    lease: int  # fencing token: a later lease of the same repo is greater


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One crawl, from start to end. `outcome` is None while it runs."""

    id: int
    started_at: datetime
    finished_at: datetime | None = None
    outcome: Literal["complete", "incomplete", "stopped", "failed"] | None = None
    kind: str = "full"  # full, incremental, repos
    repos_seen: int = 0
    repos_new: int = 0
    repos_changed: int = 0
    repos_unchanged: int = 0
    repos_skipped: int = 0
    repos_enriched: int = 0
    api_requests: int = 0
    resolver_requests: int = 0
    bytes_read: int = 0
    seconds_waited: float = 0.0
    detail: str | None = None
    waiting_for: str | None = None  # while it runs
    waiting_until: datetime | None = None
    wrong_fields: Mapping[str, int] = field(default_factory=dict)  # how often a field had a wrong type or value


@dataclass(frozen=True, slots=True)
class RepoFilter:
    """Which repos a crawl is about. All conditions hold at once; an empty one does not narrow."""

    authors: tuple[str, ...] = ()
    search: tuple[str, ...] = ()  # substrings of the id, any case
    tags: tuple[str, ...] = ()  # all of them
    min_downloads: int | None = None
    repo_ids: tuple[str, ...] = ()
    since: datetime | None = None  # last modified at or after
    limit: int | None = None  # only this number of repos, the most downloaded ones
    type: RepoType = "model"
    private: bool = False  # also private repos


@dataclass(frozen=True, slots=True)
class FitUpdate:
    """What was made for some models: the rows of fit_candidates and fit_uses, digests of what their copies take over.

    Of fit_uses each pair of (repo, use) once.
    """

    candidates: Sequence[tuple[Any, ...]]
    uses: Sequence[tuple[int, str]]
    digests: Mapping[int, int]
