"""The tables of totals (db.derive.totals): what is counted of all models when some of them are written."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Text

from db.schema.declarations import column, key, table
from db.schema.types import BigInt, Real, UtcDateTime

TOTAL_COUNTS: Mapping[str, str] = {
    "repos": "repos of the group",
    "quantized_repos": "of these, quantized ones",
    "gated_repos": "of these, repos to which access must be requested",
    "manual_repos": "of these, those whose owner grants it by hand",
    "counted_repos": "of these, repos whose downloads are known",
    "measured_repos": "of these, repos whose parameters were counted",
    "differing_repos": "of these, repos whose claimed context differs from the measured one",
    "artifacts": "artifacts of weights",
    "quantized_artifacts": "of these, quantized ones",
    "qat_artifacts": "of these, those with quantization-aware training",
    "sized_artifacts": "of these, those whose size is known",
    "measured_artifacts": "of these, those whose bits per weight were measured",
    "microbits": "sum of the measured bits per weight, in millionths of a bit",
    "downloads": "downloads of the last 30 days of the repos",
    "quantized_downloads": "of these, those of quantized repos",
    "gated_downloads": "of these, those of repos to which access must be requested",
    "likes": "likes of the repos",
    "total_size": "bytes of the repos or artifacts whose size is known",
}
"""Columns of totals that add up, and what they mean; 0 where the group has no such count."""

totals = table(
    "totals",
    "Counts of models and artifacts by group, kept by every write that changes them; db optimize counts again.",
    key("of", Text, "what is grouped: family, licence, task, scheme ... (db/derive/totals.py declares each)"),
    key("a", Text, "the value that is grouped by; empty if it is unknown"),
    key("b", Text, "the second value; empty if it is unknown or there is none"),
    *(column(name, BigInt, comment) for name, comment in TOTAL_COUNTS.items()),
    column("least", Real, "the least parameters, bits per weight or bytes"),
    column("most", Real, "the most parameters, bits per weight or bytes"),
    column("first", UtcDateTime, "when the first repo was created"),
    column("last", UtcDateTime, "when the last repo was created"),
    linked=True,
)

total_members = table(
    "total_members",
    "The different authors, families, versions and schemes of groups, counted as totals are.",
    key("of", Text, "what is grouped, and which values these are: family author, task family ..."),
    key("a", Text, "the value that is grouped by; empty if it is unknown"),
    key("b", Text, "the second value; empty if it is unknown or there is none"),
    key("member", Text, "one of the different values"),
    column("repos", BigInt, "repos of the group with this value", must=True),
    linked=True,
)

author_totals = table(
    "author_totals",
    "Counts of the models of each owner, kept as totals are.",
    key("author", Text, "the owner"),
    *(
        column(name, BigInt, TOTAL_COUNTS[name])
        for name in ("repos", "quantized_repos", "counted_repos", "downloads", "likes", "total_size")
    ),
    linked=True,
)

author_schemes = table(
    "author_schemes",
    "Counts of the quantized weights of each owner by scheme, kept as totals are.",
    key("author", Text, "the owner; empty if it is unknown"),
    key("quant", Text, "the quantization scheme"),
    key("quant_method", Text, "its method; empty if it is unknown"),
    column("repos", BigInt, TOTAL_COUNTS["repos"]),
    column("artifacts", BigInt, TOTAL_COUNTS["artifacts"]),
    column("imatrix_artifacts", BigInt, "of these, those made with an importance matrix"),
    column("dynamic_artifacts", BigInt, "of these, those whose types differ between layers"),
    column("total_size", BigInt, TOTAL_COUNTS["total_size"]),
    linked=True,
)

evidence_totals = table(
    "evidence_totals",
    "Counts of the pieces of evidence by label and source, kept as totals are.",
    key("field", Text, "which label"),
    key("source", Text, "where the evidence is from"),
    column("pieces", BigInt, "pieces of evidence of repos and artifacts"),
    column("decided", BigInt, "of these, those that gave the label its value"),
    column("weight", BigInt, "sum of their weights"),
    linked=True,
)
