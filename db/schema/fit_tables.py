"""The tables by which `fits` finds what runs on a machine without reading the whole catalog.

They follow from labels, artifacts and headers, and are made after a crawl (analysis/catalog/fit_index.py); what a
crawl changed is in `fit_pending` until then.
"""

from __future__ import annotations

from sqlalchemy import Index, Integer, Text

from db.schema.declarations import column as col
from db.schema.declarations import key, repo_key, table
from db.schema.types import BigInt, Bool, Real, UtcDateTime

fit_candidates = table(
    "fit_candidates",
    "Weights that may run on some machine, with bounds of what they need and of their place in the ranking.",
    key("step", Integer, "size class: the whole part of 4 x log2 of the weights' bytes"),
    key("points", Integer, "upper bound of the score: 10,000 and its hundredths"),
    repo_key(),
    key("artifact", BigInt, "the artifact's number; 0 for a repo whose files are unknown"),
    col("weights", BigInt, "bytes of the weights", must=True),
    col("fixed_bytes", BigInt, "lower bound of the bytes beside them, whatever the context", must=True),
    col("token_elements", Real, "lower bound of the cache's elements per token", must=True),
    col("read_bytes", BigInt, "bytes of the weights that a token reads; unknown for some mixtures of experts"),
    col("mixture", Bool, "a mixture of experts", must=True),
    col("context", BigInt, "context that the model was trained for, tokens"),
    col("text", Bool, "it generates text", must=True),
    col("platform", Text, "what usual runtimes need for it: any, apple or nvidia", must=True),
    col("format", Text, "format of the files"),
    col("quant", Text, "quantization scheme"),
    col("bits", Integer, "nominal bits per weight, rounded"),
    col("uses", Text, "JSON list of its specialties, tunings and task, in lower case", must=True),
    Index("ix_fit_candidates_repo", "repo"),
    linked=True,
)

fit_uses = table(
    "fit_uses",
    "What the models of fit_candidates are for, by which rare tasks are found.",
    key("use", Text, "a specialty, a tuning or the Hub's task, in lower case"),
    repo_key(),
    Index("ix_fit_uses_repo", "repo"),
    linked=True,
)

fit_pending = table(
    "fit_pending",
    "Models whose rows of fit_candidates must be made again.",
    repo_key(),
    linked=True,
)

fit_sources = table(
    "fit_sources",
    "What the copies of a model took over from it when their rows of fit_candidates were made.",
    repo_key(),
    col("digest", BigInt, "64-bit digest of these values", must=True),
    linked=True,
)

generations = table(
    "generations",
    "When each version of a family came out: the creation of its first repo.",
    key("family", Text, "the family"),
    key("version", Text, "its version; empty where a name states none"),
    col("created_at", UtcDateTime, "when the first repo was created on the Hub", must=True),
    linked=True,
)

result_scales = table(
    "result_scales",
    "How published results of one metric are distributed over the models of the catalog.",
    key("dataset", Text, "the dataset, in lower case"),
    key("metric", Text, "the metric, in lower case"),
    col("models", BigInt, "models that publish a result", must=True),
    col("quantiles", Text, "JSON list of numbers, from the least to the greatest result", must=True),
    linked=True,
)
