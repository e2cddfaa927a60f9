"""The tables of what is asked for beside the listing, within a budget: model cards, and what kind of account owns."""

from __future__ import annotations

from sqlalchemy import Text

from db.schema.declarations import column, key, repo_key, table
from db.schema.types import BigInt, Bool, Hash, UtcDateTime

model_cards = table(
    "model_cards",
    "What the README.md of a model documents, of those that crawl --cards read; the view cards shows names.",
    repo_key(),
    column("sha", Text, "the commit at which it was read"),
    column("blob_id", Hash, "git's sha1 of the file, where the files were listed"),
    column("bytes", BigInt, "bytes of the card; 0: the repo has none. The rest is unknown where it may not be read"),
    column("fields", Text, "JSON list: its metadata fields that have a value, of those that the Hub documents"),
    column("fields_filled", BigInt, "how many these are"),
    column("placeholders", BigInt, "how often it says More Information Needed, as the template does"),
    column("intended_use", Bool, "a section on the intended use, or on uses out of scope, says something"),
    column("limits", Bool, "a section on limitations says something"),
    column("bias", Bool, "a section on bias, fairness or ethics says something"),
    column("training_data", Bool, "a section on the training data says something"),
    column("evaluation", Bool, "a section on evaluation or results says something"),
    column("environment", Bool, "a section on the environmental impact says something"),
    column("read_at", UtcDateTime, "when it was read", must=True),
    linked=True,
)

card_texts = table(
    "card_texts",
    "The text of model cards, of those that crawl --cards --keep-card-text read; untrusted, never published.",
    repo_key(),
    column("text", Text, "README.md with its metadata", must=True),
    linked=True,
)

account_kinds = table(
    "account_kinds",
    "Whether the owners of models are users or organizations, of those that crawl --account-kinds asked for.",
    key("author", Text, "the owner"),
    column("kind", Text, "user or organization; unknown: the Hub shows neither"),
    column("seen_at", UtcDateTime, "when the Hub was asked", must=True),
    linked=True,
)
