"""The labels of the catalog, each declared once: a field of `Labels` with `label(...)`.

A label is something that a repo or an artifact is said or measured to be: its family, its quantization scheme, how many
parameters it has. What is claimed and what is measured are two labels; `measures` links them.

From `LABELS` follow the columns of the tables `repo_labels` and `artifacts`, the columns of the views `models` and
`artifacts_wide`, how values are written and read back, which changes are events, the kinds of columns in queries and
exports, what names claim, and the table in docs/labels.md. To add a label, add a field here, make the module that knows
its value give it (a key that states the value as it is only needs `stated_by`), and add its columns in a migration.

Standard library alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Flag, auto
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from db.record_base import FastPickle, Relation, RepoKind, Source

Kind = Literal["text", "integer", "real", "boolean", "list"]
"""What a label's values are. A list is of texts; tables keep it as JSON."""

RollUp = Literal["model", "one scheme", "any", "all agree", "worst"]
"""How a repo takes a label from its weights:

    model       the label is the model's, the same for all its quants: that of the artifact that stands for the model
    one scheme  the value that all artifacts share, where they all have one quantization scheme
    any         true where one artifact has it
    all agree   the value of all artifacts where it is known; unknown where two differ
    worst       the worst of all its artifacts, sidecars and copies too: of `levels` the last
"""


class Scope(Flag):
    """What has the label: a repo, each of its artifacts, or both."""

    REPO = auto()
    ARTIFACT = auto()


REPO, ARTIFACT = Scope.REPO, Scope.ARTIFACT


@dataclass(frozen=True, slots=True)
class StatedBy:
    """A key whose value is the label's value as it stands there."""

    source: Source  # header: fields of Header; config: keys of config.json; api: blocks of the Hub's answer
    path: str  # dotted
    rule: str  # what evidence of it names as its rule


@dataclass(frozen=True, slots=True)
class Label:
    """One declared label. `label` documents the parameters."""

    name: str
    kind: Kind
    default: Any
    meaning: str
    unit: str | None
    scope: Scope
    sources: tuple[Source, ...]
    stated_by: tuple[StatedBy, ...]
    measures: str | None
    roll_up: RollUp | None
    title: str
    is_small: bool
    is_indexed: bool
    is_searched: bool
    is_event: bool
    levels: tuple[str, ...]
    is_concluded: bool

    @property
    def is_flag(self) -> bool:
        """Whether evidence can only set it: a name says QAT or says nothing. False means unknown; tables have NULL."""
        return self.kind == "boolean" and self.default is False

    @property
    def is_claimed_by_names(self) -> bool:
        """Whether names of repos and files may claim it: it is a key of `hf-catalog label` too."""
        return set(NAMES) <= set(self.sources) and not self.is_concluded

    def severity(self, value: str) -> int:
        """The place of a value among `levels`; 0 for one that is none of them."""
        return self.levels.index(value) if value in self.levels else 0

    def parse(self, text: str) -> Any:
        """The value of one piece of evidence, which is text. Raises ValueError for text that is no number."""
        match self.kind:
            case "integer":
                return int(text)
            case "real":
                return float(text)
            case "boolean":
                return text == "true"
        return text


def label(
    meaning: str,
    *,
    default: Any = None,
    unit: str | None = None,
    scope: Scope = REPO,
    sources: tuple[Source, ...],
    stated_by: tuple[StatedBy, ...] = (),
    measures: str | None = None,
    roll_up: RollUp | None = None,
    title: str | None = None,
    small: bool = False,
    indexed: bool = False,
    searched: bool = False,
    event: bool = False,
    levels: tuple[str, ...] = (),
    concluded: bool = False,
) -> Any:
    """A field of `Labels`. The type and None, False or () for "unknown" are the field's own.

    meaning    one phrase; it becomes the comment of the columns and the text in the documents
    unit       of the number: parameters, tokens, bits
    scope      REPO, or REPO | ARTIFACT: which tables and views have a column for it
    sources    all sources whose evidence may give the value; evidence of another source fails a test
    stated_by  keys that state the value as it is; any other evidence needs code in analysis.labels.evidence
    measures   the label whose claim this one measures
    roll_up    how a repo takes it from its artifacts; None: it does not
    title      the name that is shown to users, if it differs from the label's name
    small      the number fits 32 bits
    indexed    an index of the database holds it
    searched   full-text search finds repos by it
    event      a change is an event. Not for what is measured: it comes and goes with the depth of a crawl
    levels     the values of a text that has an order of severity, the worst last
    concluded  it follows from other labels and from all files, so that a name alone never claims it
    """
    metadata = {
        "meaning": meaning,
        "unit": unit,
        "scope": scope,
        "sources": sources,
        "stated_by": stated_by,
        "measures": measures,
        "roll_up": roll_up,
        "title": title,
        "is_small": small,
        "is_indexed": indexed,
        "is_searched": searched,
        "is_event": event,
        "levels": levels,
        "is_concluded": concluded,
    }
    return field(default=default, metadata=metadata)


def header(path: str, rule: str | None = None) -> StatedBy:
    """A field of `db.records.Header`, or a fact of it (`facts.tokenizer.model`)."""
    return StatedBy("header", path, rule or path.rpartition(".")[2])


def config(path: str) -> StatedBy:
    """A key of config.json, or of its `text_config`."""
    return StatedBy("config", path, path)


def api(path: str) -> StatedBy:
    """A key of a block of the Hub's answer: `gguf.context_length`."""
    return StatedBy("api", path, path)


NAMES: tuple[Source, ...] = ("file", "name")
"""The names of files and of repos."""

BASE: tuple[Source, ...] = (*NAMES, "lineage")
"""Names, and the base model's name where the model's own is silent."""

BOTH = REPO | ARTIFACT


@dataclass(frozen=True, slots=True)
class Labels(FastPickle):
    """The resolved labels of a repo or an artifact, in the order of the view `models`. Unknown is None, False or ()."""

    family: str | None = label(
        "the brand the model belongs to: gemma, llama, qwen ...",
        sources=(*BASE, "header", "config", "api", "fuzzy"),
        indexed=True,
        searched=True,
        event=True,
    )
    version: str | None = label(
        "version of the family, without a leading v", sources=(*BASE, "header", "config", "api"), event=True
    )
    base_family: str | None = label(
        "the foundation line under it",
        sources=(*BASE, "header", "config", "api"),
        title="foundation",
        indexed=True,
        searched=True,
        event=True,
    )
    base_version: str | None = label(
        "the foundation's version",
        sources=(*BASE, "header", "config", "api"),
        title="its version",
        event=True,
    )
    release: str | None = label("a date in the name, as written", sources=(*BASE, "header"))
    size: str | None = label("the size as claimed, in canonical case", sources=(*BASE, "header"), event=True)
    parameters: int | None = label(
        "total parameters as claimed",
        unit="parameters",
        scope=BOTH,
        sources=(*BASE, "header"),
        event=True,
        indexed=True,
    )
    approximate: bool = label("the claimed total is an estimate (NxM)", default=False, sources=BASE)
    active_parameters: int | None = label(
        "active parameters as claimed", unit="parameters", sources=(*BASE, "header"), title="active"
    )
    experts: int | None = label("number of experts as claimed", unit="experts", sources=(*BASE, "header"), small=True)
    parameters_measured: int | None = label(
        "parameters counted in tensor shapes",
        unit="parameters",
        scope=BOTH,
        sources=("tensors", "header", "api", "lineage"),
        measures="parameters",
        roll_up="model",
        indexed=True,
    )
    active_parameters_measured: int | None = label(
        "active parameters counted in tensor shapes",
        unit="parameters",
        scope=BOTH,
        sources=("tensors", "header", "lineage"),
        measures="active_parameters",
        roll_up="model",
    )
    tuning: tuple[str, ...] = label(
        "how it was trained (base, instruct, dpo ...)",
        default=(),
        sources=(*BASE, "card", "tag"),
        event=True,
    )
    specialty: tuple[str, ...] = label("what it is for (code, vision ...)", default=(), sources=(*BASE, "tag"))
    languages: tuple[str, ...] = label(
        "its languages by ISO 639-1 code, or ISO 639-3 where that has none; multilingual",
        default=(),
        sources=(*NAMES, "card", "tag"),
        title="language",
    )
    format: str | None = label(
        "the container: gguf, safetensors ...",
        scope=BOTH,
        sources=(*NAMES, "config", "api", "card", "tag", "owner"),
        searched=True,
        event=True,
    )
    quantized: bool | None = label(
        "whether the weights are quantized; unknown where nothing says so",
        scope=BOTH,
        sources=(*BASE, "tensors", "config", "api", "card", "tag", "owner", "size"),
        event=True,
    )
    quant: str | None = label(
        "the quantization scheme, canonical: Q4_K_M, AWQ ...",
        scope=BOTH,
        sources=(*NAMES, "tensors", "config", "api", "tag"),
        roll_up="one scheme",
        title="scheme",
        indexed=True,
        searched=True,
        event=True,
    )
    quant_method: str | None = label(
        "the quantization method: gguf, gptq, awq ...",
        scope=BOTH,
        sources=(*NAMES, "tensors", "config", "api", "card", "tag", "owner"),
        roll_up="one scheme",
        event=True,
    )
    bits: float | None = label(
        "nominal bits per weight",
        unit="bits",
        scope=BOTH,
        sources=(*NAMES, "tensors", "header", "config", "api", "tag"),
        roll_up="one scheme",
        event=True,
    )
    group_size: int | None = label(
        "weights that share one scale, where stated",
        unit="weights",
        scope=BOTH,
        sources=(*NAMES, "header", "config"),
        roll_up="one scheme",
        title="group",
        small=True,
    )
    quant_measured: str | None = label(
        "the quantization scheme that the tensors have",
        scope=BOTH,
        sources=("tensors", "config", "api"),
        measures="quant",
        roll_up="one scheme",
    )
    bits_per_weight: float | None = label(
        "bits per weight of the files: bytes x 8 / parameters",
        unit="bits",
        scope=BOTH,
        sources=("tensors", "size"),
        measures="bits",
        roll_up="one scheme",
    )
    qat: bool = label(
        "quantization-aware training", default=False, scope=BOTH, sources=NAMES, roll_up="any", event=True
    )
    imatrix: bool = label(
        "quantized with an importance matrix",
        default=False,
        scope=BOTH,
        sources=(*NAMES, "header", "tag"),
        roll_up="any",
    )
    dynamic: bool = label(
        "schemes differ from layer to layer (UD, dynamic)", default=False, scope=BOTH, sources=NAMES, roll_up="any"
    )
    context: int | None = label("context length as claimed", unit="tokens", scope=BOTH, sources=NAMES, event=True)
    context_measured: int | None = label(
        "context length that the header or config.json states",
        unit="tokens",
        scope=BOTH,
        sources=("header", "config", "api"),
        stated_by=(
            header("context", rule="context_length"),
            config("max_position_embeddings"),
            api("gguf.context_length"),
        ),
        measures="context",
        roll_up="model",
    )
    native_context: int | None = label(
        "context length before rope scaling or another extension, where stated",
        unit="tokens",
        scope=BOTH,
        sources=("header", "config"),
        stated_by=(
            header("facts.geometry.original_context", rule="rope.scaling.original_context_length"),
            config("rope_scaling.original_max_position_embeddings"),
            config("rope_parameters.original_max_position_embeddings"),
            config("rope_parameters.full_attention.original_max_position_embeddings"),
            config("original_max_position_embeddings"),
        ),
        roll_up="model",
    )
    architecture: str | None = label(
        "architecture as the header or config.json names it",
        scope=BOTH,
        sources=("header", "config", "api"),
        stated_by=(header("architecture"),),
        roll_up="model",
    )
    chat_template_digest: str | None = label(
        "sha256 of the chat template's text, in hexadecimal",
        scope=BOTH,
        sources=("header", "config", "api"),
        stated_by=(
            header("facts.tokenizer.template.sha256", rule="tokenizer.chat_template"),
            config("chat_template_digest"),
            api("gguf.chat_template_digest"),
        ),
        roll_up="all agree",
    )
    base_model: str | None = label(
        "repo id of the model it was made from, the likeliest if several",
        sources=("api", "card", "tag", "header", "name"),
        indexed=True,
        event=True,
    )
    base_model_relation: Relation | None = label(
        "finetune, quantized, adapter, merge or unknown",
        sources=("api", "card", "tag", "header", "name"),
        event=True,
    )
    license_spdx: str | None = label(
        "SPDX id of the licence that the card states; LicenseRef-... where SPDX has none",
        sources=("card", "tag"),
    )
    license_kind: str | None = label(
        "what the licence demands: permissive, share-alike, use-restricted, non-commercial, no-derivatives, bespoke",
        sources=("card", "tag"),
    )
    licenses: tuple[str, ...] = label(
        "SPDX ids of all licences of a card that states several, as written where SPDX has none",
        default=(),
        sources=("card", "tag"),
    )
    custom_code: bool = label("loading it runs code of its repo", default=False, sources=("config", "tag"))
    unsafe_format: bool = label(
        "a format that can run code when it is loaded", default=False, scope=BOTH, sources=("file",), roll_up="worst"
    )
    scan_status: str | None = label(
        "the worst status that the Hub's scanners report of its files; unknown where they report none",
        sources=("api",),
        levels=("safe", "unscanned", "queued", "error", "caution", "suspicious", "unsafe"),
    )
    pickle_verdict: str | None = label(
        "the worst import that its pickle's opcodes name: innocuous, suspicious, dangerous",
        scope=BOTH,
        sources=("header",),
        stated_by=(header("facts.pickle.verdict", rule="opcodes"),),
        roll_up="worst",
        levels=("innocuous", "suspicious", "dangerous"),
    )
    suspicious_template: str | None = label(
        "a construct of the chat template that an honest one has no use for",
        scope=BOTH,
        sources=("header", "config", "api"),
        stated_by=(
            header("facts.tokenizer.template.suspicious", rule="tokenizer.chat_template"),
            config("suspicious_template"),
            api("gguf.suspicious_template"),
        ),
        roll_up="worst",
    )
    co2_eq_emissions: float | None = label(
        "CO2-equivalent emitted by its training, as the card states it", unit="grams", sources=("card",)
    )
    kind: RepoKind | None = label(
        "how its weights came to be: original, finetune, adapter, merge, quantized or conversion",
        sources=(*BASE, "tensors", "header", "config", "api", "card", "tag", "owner", "size"),
        concluded=True,
    )


def _kind_of(hint: Any) -> Kind:
    """The kind of a field's type. Raises TypeError for a type that no label can have."""
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
    if get_origin(hint) is tuple:
        return "list"
    if get_origin(hint) is Literal:
        return "text"
    kinds: dict[Any, Kind] = {str: "text", int: "integer", float: "real", bool: "boolean"}
    if hint not in kinds:
        raise TypeError(f"no label can be a {hint}")
    return kinds[hint]


def _declared() -> tuple[Label, ...]:
    hints = get_type_hints(Labels)
    found = []
    for each in fields(Labels):
        metadata = {**each.metadata, "title": each.metadata["title"] or each.name}
        found.append(Label(name=each.name, kind=_kind_of(hints[each.name]), default=each.default, **metadata))
    return tuple(found)


LABELS = _declared()
"""All labels, in the order of the fields of `Labels` and of the view `models`."""

ARTIFACT_LABELS = tuple(each for each in LABELS if ARTIFACT in each.scope)
"""Those that an artifact has too."""

LABEL_NAMES = tuple(each.name for each in LABELS)
ARTIFACT_LABEL_NAMES = tuple(each.name for each in ARTIFACT_LABELS)
LABEL_BY_NAME = {each.name: each for each in LABELS}

EVENT_LABELS = frozenset(each.name for each in LABELS if each.is_event)
"""Labels whose change is an event."""

SEARCHED_LABELS = tuple(each.name for each in sorted(LABELS, key=lambda each: not each.is_indexed) if each.is_searched)
"""Labels that full-text search finds repos by, in the order of the search documents of release 0.1.0: a document in
another order would be written again."""

INDEXED_LABELS = tuple(each.name for each in LABELS if each.is_indexed or each.is_searched)
"""Labels that an index of the database or full-text search holds: they are written only where they differ."""

MODEL_LABELS = tuple(each.name for each in LABELS if each.roll_up == "model")
"""Labels of the model itself: all its quants have the same value."""

MEASURED_BY = {each.measures: each.name for each in LABELS if each.measures is not None}
"""A claimed label's name -> the name of the label that measures it."""
