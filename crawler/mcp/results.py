"""What the tools return: the classes whose JSON schemas are the tools' output schemas. Unknown values are null."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

Bytes = Annotated[int | None, Field(description="bytes")]
Tokens = Annotated[int | None, Field(description="tokens")]
NextCursor = Annotated[str | None, Field(description="Pass it as `cursor` for the next rows; null: there are no more.")]


class Basis(BaseModel):
    """What an answer rests on."""

    as_of: Annotated[str | None, Field(description="When the last crawl ended, UTC; null: none has ended yet.")]
    coverage: Annotated[str, Field(description="Repos that are known, and of how many files and headers were read.")]
    complete: Annotated[bool, Field(description="Whether little is missing that answers use.")]


class Result(BaseModel):
    """What every answer has."""

    summary: Annotated[str, Field(description="The answer in a line.")]
    next_steps: Annotated[list[str], Field(description="How to go on, a line each.")] = []
    basis: Basis | None = None


class ModelRow(BaseModel):
    """One model of a list."""

    repo_id: str
    family: str | None
    version: str | None
    parameters: Annotated[int | None, Field(description="As measured in its files, else as its name claims.")]
    quant: Annotated[str | None, Field(description="Quantization scheme; null: several, or none.")]
    bits_per_weight: float | None
    format: str | None
    total_size: Bytes
    tuning: list[str] | None
    license: str | None
    pipeline_tag: Annotated[str | None, Field(description="The Hub's task.")]
    gated: Annotated[str | None, Field(description="Access must be requested: auto or manual.")]
    status: Annotated[str | None, Field(description="available, gated, gone ...")]
    downloads: Annotated[int | None, Field(description="In 30 days.")]
    likes: int | None
    last_modified: str | None


class ModelList(Result):
    """Models, best match or most downloaded first."""

    models: list[ModelRow]
    next_cursor: NextCursor = None


class Label(BaseModel):
    """One label of a model, and the strongest evidence for it."""

    field: str
    value: Any
    source: Annotated[str | None, Field(description="name, card, config, header ...")]
    rule: str | None


class Conflict(BaseModel):
    """A claim that a measurement contradicts."""

    field: str
    artifact: str | None
    claimed: Any
    claimed_by: str | None
    measured: Any
    measured_by: str | None


class Quantization(BaseModel):
    """One artifact: what a program loads as one thing."""

    artifact: str
    role: Annotated[str | None, Field(description="weights, projector, adapter ...")]
    format: str | None
    quant: str | None
    bits_per_weight: float | None
    total_size: Bytes


class Relative(BaseModel):
    """A base model, or a repo made of the same weights."""

    repo_id: str
    relation: str | None
    quant: str | None = None
    total_size: Bytes = None


class Model(Result):
    """One model."""

    model: ModelRow
    context: Annotated[Tokens, Field(description="Tokens, as measured, else as claimed.")]
    architecture: str | None
    sha: Annotated[str | None, Field(description="The commit that the values are of.")]
    labels: list[Label]
    conflicts: list[Conflict]
    quantizations: list[Quantization]
    base_models: list[Relative]
    same_weights: list[Relative]
    use: Annotated[dict[str, str], Field(description="program -> the command that runs or fetches it")]


class FitRow(BaseModel):
    """One model that runs on the machine."""

    repo_id: str
    artifact: str | None
    base_model: str
    quant: str | None
    parameters: int | None
    total_size: Annotated[int, Field(description="Bytes of its files.")]
    needs: Annotated[int, Field(description="Bytes of memory at the requested context.")]
    left: Annotated[int, Field(description="Bytes of memory that stay free for models.")]
    largest_context: Tokens
    expected_tokens_per_second_low: float | None
    expected_tokens_per_second_high: float | None
    place: Annotated[str, Field(description="gpu, gpu+cpu or cpu")]
    loss: Annotated[str, Field(description="Quality loss by published figures of the scheme.")]
    estimated: Annotated[list[str], Field(description="Values that the file's own header did not give.")]
    license: str | None


class FitList(Result):
    """Models that fit a machine, best first, one row for each base model."""

    machine: str
    models: list[FitRow]
    more: Annotated[int, Field(description="Further base models that may fit.")]
    left_out: Annotated[dict[str, int], Field(description="reason -> number of repos, of those looked at, best first")]
    use: Annotated[dict[str, str], Field(description="program -> the command that runs the first row")]


class ComparedRow(BaseModel):
    """One model of a comparison."""

    model: ModelRow
    artifact: str | None
    artifact_quant: str | None
    needs: Annotated[int | None, Field(description="Bytes of memory at the requested context.")]
    largest_context: Tokens
    conflicts: Annotated[int, Field(description="Claims that measurements contradict.")]
    precision: str | None
    accuracy: str | None
    bias: str | None


class Comparison(Result):
    """Models side by side, in the order that was asked for."""

    models: list[ComparedRow]


class DecodedName(Result):
    """What a name claims; nothing is looked up."""

    labels: Annotated[dict[str, Any], Field(description="The labels that the name claims.")]
    explanation: Annotated[str, Field(description="Each part of the name in words.")]


class Change(BaseModel):
    """One change of a repo."""

    seen_at: str
    kind: str
    repo_id: str
    subject: str | None
    before: str | None
    after: str | None


class ChangeList(Result):
    """Changes, newest first."""

    changes: list[Change]
    next_cursor: NextCursor = None


class IdentifiedFile(Result):
    """What a file of this machine is."""

    path: str
    state: Annotated[str, Field(description="current, outdated, modified, gone or unknown")]
    evidence: Annotated[str | None, Field(description="What it rests on: name, size, sha256 or tensors.")]
    repo_id: str | None
    revision: str | None
    file: Annotated[str | None, Field(description="Its path in the repo.")]
    quant: str | None
    license: str | None
    size: Bytes
    sha256: str | None
    repos: Annotated[list[str], Field(description="All repos of the catalog that hold this content.")]
    changes: Annotated[list[str], Field(description="How it differs from what the repo holds now.")]
    detail: str


class AuditCheck(BaseModel):
    """One check of security, licence or provenance."""

    check: str
    result: Annotated[str, Field(description="pass, warn, fail or unknown")]
    detail: str | None
    source: str | None


class Audit(Result):
    """The checks of one model, by what the catalog knows. What the cards say, not legal advice."""

    repo_id: str
    checks: list[AuditCheck]


class QueryRows(Result):
    """The rows of a statement."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: Annotated[bool, Field(description="Whether the statement has more rows.")]


class Column(BaseModel):
    name: str
    type: str
    meaning: str


class Relation(BaseModel):
    """A view or table. `columns` are given only where one is asked for."""

    name: str
    kind: str
    about: str
    columns: list[Column] = []


class Parameter(BaseModel):
    name: str
    type: str
    default: str | None
    description: str


class SavedQueryInfo(BaseModel):
    """A statement that query_sql runs by its name."""

    name: str
    title: str
    parameters: list[Parameter] = []


class Schema(Result):
    """What SQL can read."""

    relations: list[Relation]
    saved_queries: list[SavedQueryInfo] = []
