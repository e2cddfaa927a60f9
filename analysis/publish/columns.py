"""What each column of an exported file is: its type, its unit and its meaning.

Columns of views and tables have the words of docs/schema.md; the others, which summaries and saved queries compute, are
described here. `COMPUTED` names a column as `file.column` where the same name means something else elsewhere, and as
`by.column` for all summaries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from analysis.publish.table_files import ColumnKind, Row, infer_kinds
from analysis.query.values import boolean_columns, list_columns
from db.schema.documentation import Meaning, describe_relations


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file. `unit` is None for what is no quantity; `meaning` is empty where nothing describes it."""

    name: str
    kind: ColumnKind
    meaning: str = ""

    @property
    def unit(self) -> str | None:
        return unit_of(self.name) if self.kind in ("integer", "number") else None


UNITS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), unit)
    for pattern, unit in (
        (r"group_size$", "weights"),
        (r"(^|_)size(_|$)|^used_storage$|^bytes_read$", "bytes"),
        (r"^percent_", "percent"),
        (r"(^|_)downloads(_|$)", "downloads"),
        (r"(^|_)likes(_|$)", "likes"),
        (r"(^|_)bits(_|$)", "bits"),
        (r"(^|_)parameters(_|$)", "parameters"),
        (r"(^|_)context(_|$)", "tokens"),
        (r"_requests$", "requests"),
        (r"^seconds_", "seconds"),
        (r"(^|_)artifacts?(_|$)|^with_imatrix$|^dynamic_mixes$", "artifacts"),
        (r"(^|_)repos(_|$)|^(quantized_)?copies$|^made_from_it$|^by_hand$|^claim_another$", "repos"),
        (r"^(authors|publishers)$", "publishers"),
    )
)
"""Patterns of names of quantities -> their unit; the first that matches decides. Other numbers are counts or scores."""


def unit_of(name: str) -> str | None:
    """The unit of the numbers in a column of this name."""
    return next((unit for pattern, unit in UNITS if pattern.search(name)), None)


class Computed(NamedTuple):
    """A column that is no view's or table's."""

    kind: ColumnKind
    text: str


COMPUTED: Mapping[str, Computed] = {
    # summaries
    "by.repos": Computed("integer", "repos of the group that are not gone; of artifacts: repos that hold at least one"),
    "by.artifacts": Computed("integer", "artifacts of weights in the group: a file, or all shards of one"),
    "by.downloads": Computed(
        "integer", "downloads of the last 30 days, as the Hub counts them, all repos of the group"
    ),
    "by.likes": Computed("integer", "likes, all repos of the group"),
    "by.total_size": Computed("integer", "bytes of the files of the group's repos or artifacts"),
    "by.quantized_repos": Computed("integer", "of the repos, quantized ones"),
    "size_class": Computed("text", "class of the number of parameters, measured or else claimed"),
    "publisher": Computed("text", "the owner: a user or an organisation"),
    "quantized_artifacts": Computed("integer", "of the artifacts, quantized ones"),
    "mean_bits_per_weight": Computed("number", "mean of the bits per weight of artifacts whose headers were read"),
    "least_bits_per_weight": Computed("number", "smallest of these bits per weight"),
    "most_bits_per_weight": Computed("number", "largest of these bits per weight"),
    "downloads_of_repos": Computed(
        "integer", "downloads of the last 30 days of the repos that hold it; a repo counts in each group that it holds"
    ),
    # differences
    "differences.table": Computed("text", "the table that changed"),
    "differences.key": Computed("text", "key of the row, its parts joined"),
    "differences.change": Computed("text", "added, removed or changed"),
    "differences.column": Computed("text", "the column that changed; empty for a row that was added or removed"),
    "differences.before": Computed("text", "the value in the earlier export"),
    "differences.after": Computed("text", "the value in this export"),
    # saved queries
    "awq_repos": Computed("integer", "of the copies, those quantized by AWQ"),
    "by_hand": Computed("integer", "of the gated repos, those whose owners approve each request"),
    "claim_another": Computed("integer", "of the repos, those that claim another context than was measured"),
    "copies": Computed("integer", "repos that are quantized copies"),
    "decided": Computed("integer", "pieces of evidence that decided a label"),
    "delta": Computed("number", "value of the quantized model minus that of the original"),
    "downloads_of_copies": Computed("integer", "downloads of the last 30 days, all copies"),
    "downloads_of_new": Computed("integer", "downloads of the last 30 days, new repos"),
    "downloads_of_original": Computed("integer", "downloads of the last 30 days, the original"),
    "downloads_of_these_repos": Computed("integer", "downloads of the last 30 days of the repos that hold it"),
    "dynamic_mixes": Computed("integer", "artifacts that mix schemes by the importance of layers"),
    "earlier_repos": Computed("integer", "repos created before"),
    "entries": Computed("integer", "entries that were skipped"),
    "families": Computed("integer", "families that occur"),
    "first_by_name": Computed("text", "first repo that holds the content, by name"),
    "first_day": Computed("date", "first day of the comparison"),
    "gated_repos": Computed("integer", "of the repos, those that ask for a request or an agreement"),
    "gguf_repos": Computed("integer", "of the copies, those with GGUF files"),
    "gptq_repos": Computed("integer", "of the copies, those quantized by GPTQ"),
    "greatest_size": Computed("integer", "bytes of the largest"),
    "how": Computed("text", "how it was quantized: the scheme with its method"),
    "language": Computed("text", "a language that the card declares"),
    "last_by_name": Computed("text", "last repo that holds the content, by name"),
    "last_day": Computed("date", "last day of the comparison"),
    "least_parameters": Computed("integer", "parameters of the smallest model"),
    "least_size": Computed("integer", "bytes of the smallest artifact"),
    "made_from_it": Computed("integer", "repos that name it as their base model"),
    "mean_size": Computed("number", "mean bytes of an artifact"),
    "mean_weight": Computed("number", "mean weight of the evidence, 0 to 100"),
    "measured_artifacts": Computed("integer", "artifacts whose headers were read"),
    "measured_repos": Computed("integer", "of the repos, those whose parameters were measured"),
    "mlx_repos": Computed("integer", "of the copies, those for MLX"),
    "most_parameters": Computed("integer", "parameters of the largest model"),
    "most_size": Computed("integer", "bytes of the largest artifact"),
    "new_quantized_repos": Computed("integer", "of the new repos, quantized ones"),
    "new_repos": Computed("integer", "repos created since then"),
    # saved queries for research
    "adapters": Computed("integer", "of the new repos, adapters"),
    "among": Computed("text", "models or publishers: over which it is spread"),
    "conversions": Computed("integer", "of the new repos, conversions to another format in full precision"),
    "counted": Computed("integer", "how many of them have a value"),
    "drift": Computed("text", "whether the licence of the base model was kept: kept, changed, unknown"),
    "finetunes": Computed("integer", "of the new repos, finetunes"),
    "gini": Computed("number", "Gini coefficient: 0 where all have as much, 1 where one has all"),
    "have_half": Computed("integer", "how many, the largest first, have half of the total"),
    "kinds.percent_of_downloads": Computed("number", "share of all downloads"),
    "median_days": Computed("integer", "days from the peak to half of it, median of the models that fell"),
    "merges": Computed("integer", "of the new repos, merges"),
    "models_fallen": Computed("integer", "models whose downloads fell to half of their peak"),
    "month": Computed("text", "yyyy-mm"),
    "not_yet": Computed("integer", "models whose downloads have not fallen to half of their peak"),
    "originals": Computed("integer", "of the new repos, originals"),
    "percent_of_repos": Computed("number", "share of all repos"),
    "part": Computed("text", "what a model card may have: a section with content, metadata, any text at all"),
    "cards_read": Computed("integer", "models whose card a crawl read"),
    "percent_of_cards_read": Computed("number", "share of the cards that were read"),
    "owners": Computed("integer", "owners of models"),
    "percent_of_top_1_percent": Computed("number", "share of the total that the top 1 percent have"),
    "percent_of_top_10": Computed("number", "share of the total that the top ten have"),
    "percent_of_year": Computed("number", "share of the models created in that year"),
    "repos_until_then": Computed("integer", "repos created until the end of the month"),
    "relation-depth.depth": Computed("integer", "steps to the farthest ancestor that is known; 0 names no parent"),
    "total": Computed("integer", "downloads, likes or repos of all of them"),
    "unknown": Computed("integer", "of the new repos, those of which nothing tells the kind"),
    "what": Computed("text", "downloads, likes or repos"),
    "with_missing": Computed("integer", "of the models, those with an ancestor that is not in the catalog"),
    "with_several_roots": Computed("integer", "of the models, those whose lineage begins at several models"),
    "without_base_model": Computed("integer", "of the repos, those that name no base model"),
    # others
    "nominal_bits": Computed("number", "bits per weight that the scheme's name states"),
    "noticed_at": Computed("time", "when a crawl noticed"),
    "original_value": Computed("number", "the original's value, as published"),
    "percent_active": Computed("number", "share of the parameters that are used for a token"),
    "percent_gated": Computed("number", "share of the repos that are gated"),
    "percent_of_downloads": Computed("number", "share of the downloads that gated repos have"),
    "percent_off": Computed("number", "difference of the claimed to the measured parameters"),
    "pieces": Computed("integer", "pieces of evidence"),
    "publishers": Computed("integer", "owners who publish it"),
    "qat_artifacts": Computed("integer", "of the artifacts, those of quantization-aware training"),
    "quantized_copies": Computed("integer", "of these repos, quantized ones"),
    "quantized_value": Computed("number", "the quantized model's value, as published"),
    "repeated_size": Computed("integer", "bytes of the content in all repos but one"),
    "repos_with_it": Computed("integer", "repos that hold at least one artifact with it"),
    "schemes": Computed("integer", "quantization schemes that occur"),
    "size_by_header": Computed("integer", "bytes that the file would have by its header"),
    "total_parameters": Computed("integer", "all parameters, measured or else claimed"),
    "unfinished": Computed("boolean", "true for the year of the last crawl, which was not over"),
    "value_of_base": Computed("number", "the base model's value, as published"),
    "with_imatrix": Computed("integer", "of the artifacts, those quantized with an importance matrix"),
    "year": Computed("text", "year in which the repos were created"),
}

_VIEW_COLUMN_KINDS: Mapping[str, ColumnKind] = {  # columns that only views have, or that differ there
    "seen_at": "time", "run_id": "integer", "downloads_change": "integer", "likes_change": "integer",
    "artifact": "text", "header": "integer", "artifact_count": "integer", "parent": "text",
}  # fmt: skip


@cache
def column_kinds() -> Mapping[str, ColumnKind]:
    """The kind of every column of the catalog by its name; labels take precedence over other columns of that name."""
    from db.labels import LABELS
    from db.schema.tables import metadata

    kind_of_type: dict[str, ColumnKind] = {
        "BigInt": "integer", "Integer": "integer", "Real": "number", "Bool": "boolean", "UtcDateTime": "time",
    }  # fmt: skip
    columns = [(column.name, type(column.type)) for table in metadata.tables.values() for column in table.columns]
    kinds: dict[str, ColumnKind] = {name: kind_of_type.get(kind.__name__, "text") for name, kind in columns}
    kinds.update({each.name: "number" if each.kind == "real" else each.kind for each in LABELS})
    kinds.update(dict.fromkeys(boolean_columns(), "boolean"))
    kinds.update(dict.fromkeys(list_columns(), "list"))
    return {**kinds, **_VIEW_COLUMN_KINDS}


RELATIONS: Mapping[str, str] = {"artifacts": "artifacts_wide"}
"""Exported table -> the view that describes it, where its name is another."""


@cache
def described_columns() -> Mapping[str, Mapping[str, Meaning]]:
    """View or table -> column -> what the schema says of it."""
    return {relation.name: relation.columns for relation in describe_relations()}


@cache
def columns_by_name() -> Mapping[str, Meaning]:
    """Columns of any view or table by their name; views come first."""
    found: dict[str, Meaning] = {}
    for columns in described_columns().values():
        for name, meaning in columns.items():
            found.setdefault(name, meaning)
    return found


def meaning_of(table: str, name: str) -> str:
    """What a column of an exported file is; empty where nothing describes it."""
    own = COMPUTED.get(f"{'by' if table.startswith('by_') else table}.{name}")
    described = described_columns().get(RELATIONS.get(table, table), {}).get(name)
    other = COMPUTED.get(name) or columns_by_name().get(name)
    found = own or described or other
    return found.text if found else ""


def table_columns(table: str, kinds: Mapping[str, ColumnKind], names: Sequence[str]) -> tuple[Column, ...]:
    """The columns of a file whose types are known."""
    return tuple(Column(name, kinds.get(name, "text"), meaning_of(table, name)) for name in names)


def result_columns(table: str, names: Sequence[str], rows: Sequence[Row]) -> tuple[Column, ...]:
    """The columns of a summary or a saved query: of the described type, unless a value in the rows is of another."""
    found = infer_kinds(names, rows)
    kinds: dict[str, ColumnKind] = {}
    for name in names:
        computed = COMPUTED.get(f"{table}.{name}") or COMPUTED.get(name)
        stated = computed.kind if computed else column_kinds().get(name)
        seen = found.get(name)
        kinds[name] = stated if stated is not None and fits(stated, seen) else seen or "text"
    return table_columns(table, kinds, names)


def fits(stated: ColumnKind, seen: ColumnKind | None) -> bool:
    """Whether values that look like `seen` (None: there are none, or they are texts) can be of the kind `stated`."""
    texts: tuple[ColumnKind, ...] = ("text", "time", "date")
    return seen == stated or (seen == "integer" and stated == "number") or (seen is None and stated in texts)
