"""The tables of the catalog, every column with what it means.

Three layers: what the Hub says (repos, tags, files ...), what was made of it (labels, evidence, artifacts, headers),
and what happened (metrics, events, runs). `repo` and `artifact` in the tables are the catalog's own numbers; people
read the views in `db/views`, which show ids and names. Tables that only link are kept without rowids, ordered by
their repo, so that all that belongs to one repo lies together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Integer, Text, UniqueConstraint, text

from db.labels import ARTIFACT_LABELS, LABELS, Kind, Label
from db.schema.card_tables import account_kinds as account_kinds
from db.schema.card_tables import card_texts as card_texts
from db.schema.card_tables import model_cards as model_cards
from db.schema.declarations import Type
from db.schema.declarations import column as _col
from db.schema.declarations import key as _key
from db.schema.declarations import metadata as metadata
from db.schema.declarations import repo_key as _repo
from db.schema.declarations import table as _table
from db.schema.fit_tables import fit_candidates as fit_candidates
from db.schema.fit_tables import fit_pending as fit_pending
from db.schema.fit_tables import fit_sources as fit_sources
from db.schema.fit_tables import fit_uses as fit_uses
from db.schema.fit_tables import generations as generations
from db.schema.fit_tables import result_scales as result_scales
from db.schema.total_tables import author_schemes as author_schemes
from db.schema.total_tables import author_totals as author_totals
from db.schema.total_tables import evidence_totals as evidence_totals
from db.schema.total_tables import total_members as total_members
from db.schema.total_tables import totals as totals
from db.schema.types import BigInt, Bool, Day, Hash, Packed, Real, UtcDateTime

# ---- what the Hub says ----------------------------------------------------------------------------------------------

MOST_DOWNLOADED = {
    "postgresql": "create index if not exists ix_repos_downloads"
    " on repos (downloads desc nulls last, likes, status, type)"
}
"""The index in the order in which pages and lists ask for models, unknown downloads last: SQLite reads an index from
its end for that, PostgreSQL can't."""

repos = _table(
    "repos",
    "One row per repo of the Hub, never deleted: models, and datasets and spaces where these are crawled.",
    _key("id", BigInt, "the catalog's number of this repo"),
    _col("hub_id", Text, "the Hub's `_id`: survives renames", must=True, unique=True),
    _col("repo_id", Text, "owner/name as last seen; a model and a dataset may have the same", must=True, index=True),
    _col("author", Text, "the owner: a user or an organisation"),
    _col("sha", Text, "commit of the main revision"),
    _col("created_at", UtcDateTime, "when the repo was created on the Hub"),
    _col("last_modified", UtcDateTime, "when the repo last got a commit", index=True),
    _col("downloads", BigInt, "downloads of the last 30 days, as the Hub counts them"),
    _col("downloads_all_time", BigInt, "all downloads, if the Hub states them"),
    _col("likes", BigInt, "likes on the Hub"),
    _col("trending_score", Real, "the Hub's trending score"),
    _col("gated", Text, "auto or manual if access must be requested"),
    _col("status", Text, "available, gated, private, disabled or gone", must=True),
    _col("pipeline_tag", Text, "the task, as the Hub states it: text-generation ..."),
    _col("library_name", Text, "the library, as the Hub states it: transformers, gguf ..."),
    _col("license", Text, "the licence of the card"),
    _col("used_storage", BigInt, "bytes of the repo's whole history on the Hub"),
    _col("total_size", BigInt, "bytes of the main revision's files; unknown until the files were listed"),
    _col("file_count", Integer, "files of the main revision"),
    _col("first_seen", UtcDateTime, "when the catalog first saw the repo", must=True, index=True),
    _col(
        "last_seen", UtcDateTime, "when this row was last written; the view models also counts full crawls", must=True
    ),
    _col("first_run", BigInt, "the crawl that found it", ForeignKey("crawl_runs.id")),
    _col("digest", BigInt, "64-bit digest of the listing's data except the counters: equal means unchanged", must=True),
    _col("type", Text, "model, dataset or space", must=True, server_default="model"),
    _col("row_digest", BigInt, "64-bit digest of the listing's row except the counters, of `digest` and the status"),
    Index("ix_repos_downloads", "downloads", "likes", "status", "type", info=MOST_DOWNLOADED).ddl_if(dialect="sqlite"),
    Index("ix_repos_created_at", "created_at"),
    Index("ix_repos_lower", text("lower(repo_id)")),
    Index("ix_repos_author", text("lower(author)")),
)

repo_facts = _table(
    "repo_facts",
    "The Hub's listing data beyond the columns of repos, so that labels can be recomputed offline.",
    _repo(),
    _col(
        "facts",
        Packed,
        "packed JSON object: card, config, safetensors, gguf, languages, extra; bounded, never rendered",
        must=True,
    ),
)

tags = _table(
    "tags",
    "Each tag once.",
    _key("id", BigInt, "the catalog's number of this tag"),
    _col("tag", Text, "the tag as the Hub writes it", must=True, unique=True),
)

repo_tags = _table(
    "repo_tags",
    "Which repo has which tags, in the Hub's order.",
    _repo(),
    _key("position", Integer, "place in the Hub's list, from 0"),
    _col("tag", BigInt, "the tag's number", ForeignKey("tags.id"), must=True, index=True),
    linked=True,
)

edges = _table(
    "edges",
    "The parents of a repo: declared by its card, tags or header, or inferred from its name.",
    _repo(),
    _key("parent", Text, "repo id of the parent as written; perhaps not in the catalog"),
    _key("relation", Text, "finetune, quantized, adapter, merge or unknown"),
    _key("source", Text, "the source: api, card, tag, header; name or fuzzy for an inference"),
    _col("declared", Bool, "stated by the Hub's data; otherwise inferred by this program", must=True),
    Index("ix_edges_parent", text("lower(parent)")),
    linked=True,
)

evaluations = _table(
    "evaluations",
    "Published evaluation results of the card's model-index or the Hub's evalResults.",
    _repo(),
    _key("position", Integer, "place in the list, from 0"),
    _col("task", Text, "the task as written", must=True),
    _col("dataset", Text, "the dataset as written", must=True),
    _col("metric", Text, "the metric as written", must=True),
    _col("value", Real, "the value as published", must=True),
    _col("source", Text, "card or api", must=True),
    linked=True,
)

repo_links = _table(
    "repo_links",
    "The models and datasets that a space says it uses; the view links adds the datasets of models, which are tags.",
    _repo(),
    _key("target_type", Text, "model or dataset"),
    _key("target", Text, "repo id as written; perhaps not in the catalog"),
    Index("ix_repo_links_target", text("lower(target)")),
    linked=True,
)

leaderboards = _table(
    "leaderboards",
    "The results that the Hub collects for a dataset that is a benchmark; the view leaderboard_results shows names.",
    _repo(),
    _key("position", Integer, "place in the Hub's list, from 0"),
    _col("model", Text, "repo id of the model", must=True),
    _col("rank", Integer, "its rank, as the Hub counts"),
    _col("value", Real, "the value as published"),
    _col("verified", Bool, "the Hub has verified the result", must=True),
    _col("source", Text, "where the result was published"),
    linked=True,
)

repo_files = _table(
    "repo_files",
    "The files of the main revision; the view files shows them with hashes in hexadecimal.",
    _repo(),
    _key("path", Text, "path in the repo"),
    _col("size", BigInt, "bytes"),
    _col("blob_id", Hash, "git's sha1 of the content; unknown for LFS and Xet files"),
    _col("sha256", Hash, "sha256 of the content; LFS and Xet files only"),
    _col("scan_status", Text, "the worst status of the Hub's scanners; unknown where they reported none"),
    _col("scans", Text, "JSON object: what each scanner of the Hub reports, where the file has an issue"),
    linked=True,
)

former_files = _table(
    "former_files",
    "Contents that files had in commits read earlier, so that an old download is recognized; see replaced_files.",
    _repo(),
    _key("path", Text, "path in the repo"),
    _key("sha256", Hash, "sha256 of the former content"),
    _col("size", BigInt, "bytes", index=True),
    _col("sha", Text, "the last commit that was read with it; unknown for changes that an older version recorded"),
    _col("until", UtcDateTime, "when the catalog noticed that it was replaced or removed", must=True),
    Index("ix_former_files_sha256", "sha256"),
    linked=True,
)

repo_revisions = _table(
    "repo_revisions",
    "Branches, tags and pinned commits of models that were crawled as owner/name@REVISION; see revisions.",
    _repo(),
    _key("name", Text, "the branch, the tag or the commit"),
    _col("kind", Text, "branch, tag or commit", must=True),
    _col("sha", Text, "the commit that it named"),
    _col("seen_at", UtcDateTime, "when a crawl saw that", must=True),
    linked=True,
)

repo_revision_files = _table(
    "repo_revision_files",
    "The files of revisions that were asked for; the view revision_files shows hashes in hexadecimal.",
    _repo(),
    _key("sha", Text, "the commit"),
    _key("path", Text, "path in the repo"),
    _col("size", BigInt, "bytes"),
    _col("blob_id", Hash, "git's sha1 of the content; unknown for LFS and Xet files"),
    _col("sha256", Hash, "sha256 of the content; LFS and Xet files only"),
    linked=True,
)

# ---- what was made of it --------------------------------------------------------------------------------------------

vocabularies = _table(
    "vocabularies",
    "The vocabularies that labels were made with; the one with the latest used_since is the current one.",
    _key("id", Integer, "number of the vocabulary"),
    _col("digest", Text, "digest of the vocabulary's data", must=True, unique=True),
    _col("used_since", UtcDateTime, "since when labels are made with it, again or for the first time", must=True),
)

_LABEL_TYPES: Mapping[Kind, Type] = {"text": Text, "integer": BigInt, "real": Real, "boolean": Bool, "list": Text}


def _label(declared: Label) -> Column[Any]:
    """The column of a label; its comment is the label's meaning, with the unit if the meaning does not state it."""
    meaning, unit = declared.meaning, declared.unit
    comment = f"JSON list: {meaning}" if declared.kind == "list" else meaning
    comment += f", {unit}" if unit is not None and unit not in meaning else ""
    return _col(declared.name, Integer if declared.is_small else _LABEL_TYPES[declared.kind], comment)


repo_labels = _table(
    "repo_labels",
    "The resolved labels of a repo, derived from its artifacts.",
    _repo(),
    *map(_label, LABELS),
    _col("vocabulary", Integer, "the vocabulary that made them", ForeignKey("vocabularies.id"), must=True),
    _col("depth", Text, "the depth of the data: listing, files or headers", must=True),
    _col("digest", BigInt, "repos.digest at that time: unequal means that the repo has changed since", must=True),
    Index("ix_repo_labels_family", "family", "quant"),
    Index("ix_repo_labels_quant", "quant"),
    Index("ix_repo_labels_base_family", "base_family"),
    Index("ix_repo_labels_base_model", text("lower(base_model)")),
)

headers = _table(
    "headers",
    "The facts of a file's header, once per content, even if several repos have it.",
    _key("id", BigInt, "the catalog's number of this header"),
    _col("content", Hash, "identity of the bytes: sha256 of the file, or over its shards'", must=True, unique=True),
    _col("format", Text, "gguf or safetensors", must=True),
    _col("version", Integer, "version of the container format"),
    _col("architecture", Text, "architecture as the header names it"),
    _col("parameters", BigInt, "logical parameters, after unpacking"),
    _col("active_parameters", BigInt, "parameters that one token uses"),
    _col("tensor_count", BigInt, "tensors in the file", must=True),
    _col("types", Text, "JSON object, the dtype histogram: tensor type -> elements as stored", must=True),
    _col("quant", Text, "the dominant scheme"),
    _col("quant_method", Text, "the dominant scheme's method"),
    _col("quant_share", Real, "share of the parameters in the dominant scheme, 0 to 1"),
    _col("bits_per_weight", Real, "bits per weight over all tensors"),
    _col("context", BigInt, "context length, tokens"),
    _col("size", BigInt, "bytes of all files as the header implies them"),
    _col("size_verified", Bool, "the implied size is the files' size"),
    _col("inferred", Bool, "the parameter count was taken from elsewhere, not from tensors", must=True),
    _col("tensor_layout", BigInt, "64-bit digest of the names, shapes and types of all tensors", index=True),
    _col("tensor_shapes", BigInt, "64-bit digest of their names and shapes: equal in other quantizations", index=True),
    _col("requests", Integer, "requests that reading took", must=True),
    _col("bytes_read", BigInt, "bytes that reading took", must=True),
    _col("facts", Text, "JSON object: attention geometry, tokenizer, base models, quantizer ...", must=True),
    _col("read_at", UtcDateTime, "when it was read", must=True),
)

artifacts = _table(
    "artifacts",
    "One row per unit that a user loads: a quantized model with its shards joined, or a sidecar file.",
    _key("id", BigInt, "the catalog's number of this artifact"),
    _col("repo", BigInt, "the repo's number", ForeignKey("repos.id"), must=True),
    _col("artifact", Text, "path of the file, or the shards' path without their number", must=True),
    _col("role", Text, "weights, mmproj, adapter, imatrix, draft, tokenizer, config, index, card, other", must=True),
    _col("file_count", Integer, "files it is made of", must=True),
    _col("paths", Text, "JSON list of its files; unknown means the artifact's own path alone"),
    _col("total_size", BigInt, "bytes of all its files"),
    _col("content", Hash, "identity of the bytes: sha256 of the file, or over its shards'"),
    _col("main", Bool, "false for a further copy of the same weights in another layout or precision", must=True),
    _col("header", BigInt, "the header's number, if it was read", ForeignKey("headers.id")),
    *map(_label, ARTIFACT_LABELS),
    UniqueConstraint("repo", "artifact"),
    Index("ix_artifacts_quant", "quant", "total_size"),
    Index("ix_artifacts_total_size", "total_size"),
)

evidence = _table(
    "evidence",
    "Each piece of evidence once, even if it applies to several repos.",
    _key("id", BigInt, "the catalog's number of this piece"),
    _col("key", BigInt, "64-bit digest of the five columns below", must=True, unique=True),
    _col("field", Text, "which label", must=True),
    _col("value", Text, "the value that it gives", must=True),
    _col(
        "source", Text, "header, tensors, config, api, file, card, tag, name, owner, size, lineage or fuzzy", must=True
    ),
    _col("rule", Text, "what gave the value: a rule's name, a tag, a key of the config", must=True),
    _col("weight", Integer, "0 to 100", must=True),
)

repo_evidence = _table(
    "repo_evidence",
    "The evidence for a repo's labels and, in another row, for those of its artifacts; see label_evidence and labels.",
    _repo(),
    _key("first_artifact", BigInt, "the lowest number of its artifacts; 0 for the repo itself"),
    _col("pieces", Text, "JSON list: artifacts and the pieces for them; db/derive/evidence_document.py", must=True),
    linked=True,
)

conflicts = _table(
    "conflicts",
    "Claims and measurements that can't both be true.",
    _repo(),
    _key("artifact", BigInt, "the artifact's number; 0 for the repo itself"),
    _key("field", Text, "which label"),
    _col("claimed", Text, "what is claimed", must=True),
    _col("claimed_by", Text, "the source of the claim", must=True),
    _col("measured", Text, "what was measured", must=True),
    _col("measured_by", Text, "the source of the measurement", must=True),
    linked=True,
)

unclaimed = _table(
    "unclaimed",
    "Tokens of names that no rule recognizes: candidates for the vocabulary.",
    _repo(),
    _key("token", Text, "the token as written"),
    Index("ix_unclaimed_token", "token"),
    linked=True,
)

header_layouts = _table(
    "header_layouts",
    "Lengths of tokenizer arrays in GGUF headers, learned once: the next header with this tokenizer skips them.",
    _key("key", Text, "key of the array: tokenizer.ggml.tokens"),
    _key("count", BigInt, "elements of the array"),
    _key("digest", Text, "digest of the array's first bytes"),
    _col("length", BigInt, "bytes of the whole array", must=True),
)

# ---- what happened --------------------------------------------------------------------------------------------------

crawl_runs = _table(
    "crawl_runs",
    "One row per crawl.",
    _key("id", BigInt, "number of the crawl"),
    _col("kind", Text, "full, incremental or repos", must=True),
    _col("scope", Text, "canonical text of the filters; empty for the whole Hub", must=True),
    _col("endpoint", Text, "the Hub that was crawled", must=True),
    _col("started_at", UtcDateTime, "when it started", must=True),
    _col("finished_at", UtcDateTime, "when it ended"),
    _col("outcome", Text, "complete, incomplete, stopped or failed; unknown while it runs"),
    _col("repos_seen", BigInt, "repos in the listing", must=True),
    _col("repos_new", BigInt, "of these, new to the catalog", must=True),
    _col("repos_changed", BigInt, "of these, changed in any column", must=True),
    _col("repos_unchanged", BigInt, "of these, unchanged", must=True),
    _col("repos_skipped", BigInt, "entries that were skipped, each a row of skips", must=True),
    _col("repos_enriched", BigInt, "repos visited for files or headers", must=True),
    _col("api_requests", BigInt, "requests that count against the api quota", must=True),
    _col("resolver_requests", BigInt, "requests that count against the resolvers quota", must=True),
    _col("bytes_read", BigInt, "bytes received", must=True),
    _col("seconds_waited", Real, "seconds spent waiting for the quota", must=True),
    _col("swept_from", UtcDateTime, "start of the walk that this crawl completed"),
    _col("detail", Text, "why it ended, or what the listing left out"),
    _col("waiting_for", Text, "while it runs: what it waits for, such as the quota or a Hub that does not respond"),
    _col("waiting_until", UtcDateTime, "when it sends the next request"),
    _col("wrong_fields", Text, "JSON object, fields of repos that had a wrong type or value: name -> how often"),
    _col("pid", BigInt, "process that ran it", must=True),
    _col("host", Text, "machine that ran it", must=True),
    Index("ix_crawl_runs_scope", "scope", "kind", "swept_from"),
)

endpoints = _table(
    "endpoints",
    "What crawls found of the API of each Hub, so that the next ones need not ask again.",
    _key("endpoint", Text, "the Hub's URL"),
    _col("capabilities", Text, "JSON object: how its API differs from that of huggingface.co", must=True),
    _col("found_at", UtcDateTime, "when this was found", must=True),
)

cursors = _table(
    "cursors",
    "Where an unfinished walk of the listing continues.",
    _key("scope", Text, "canonical text of the filters; empty for the whole Hub"),
    _key("kind", Text, "full or incremental"),
    _col("cursor", Text, "opaque: where the next page starts; unknown when the walk has ended but is not closed yet"),
    _col("ascending", Bool, "oldest repos first; false where the walk continues from the newest repo"),
    _col("created_at", UtcDateTime, "creation date of the newest repo that was read, oldest first without a gap"),
    _col("stop_at", UtcDateTime, "a walk from the newest repo ends at repos created before; unknown: at the oldest"),
    _col("started_at", UtcDateTime, "when the walk started, perhaps in an earlier crawl", must=True),
    _col("newest", UtcDateTime, "greatest last_modified that the walk saw"),
    _col("pages", BigInt, "pages stored", must=True),
    _col("run", BigInt, "the crawl that stored the last page", ForeignKey("crawl_runs.id"), must=True),
)

watermarks = _table(
    "watermarks",
    "Until when the catalog has the Hub's changes.",
    _key("scope", Text, "canonical text of the filters; empty for the whole Hub"),
    _col("newest", UtcDateTime, "greatest last_modified of a completed walk", must=True),
)

listing_pages = _table(
    "listing_pages",
    "Which repos a full crawl's listing has seen, page by page; emptied when the full crawl is complete.",
    _key("scope", Text, "canonical text of the filters; empty for the whole Hub"),
    _key("page", BigInt, "number of the page, from 0"),
    _col("seen", Text, "JSON list of the repos' numbers", must=True),
)

missing_repos = _table(
    "missing_repos",
    "Repos that a full crawl did not see: gone only after two probes of their own.",
    _repo(),
    _col("since", UtcDateTime, "when the full crawl that missed it started", must=True),
    _col("probes", Integer, "direct probes that did not find it either", must=True),
    _col("probed_at", UtcDateTime, "the last of them"),
)

partial_repos = _table(
    "partial_repos",
    "Repos that were listed without their details (card, config, base models ...), until these are read.",
    _repo(),
)

enrichments = _table(
    "enrichments",
    "The work queue: the depth and the commit at which each repo was read, and its lease.",
    _repo(),
    _col("sha", Text, "commit that was read; unknown if none was or if it must be read again"),
    _col("depth", Text, "files or headers: the depth at which that commit was read"),
    _col("visited_at", UtcDateTime, "when the repo was last read, or the attempt failed"),
    _col("lease", BigInt, "fencing token: only the holder of the latest lease may write", must=True),
    _col("leased_until", UtcDateTime, "when the lease expires; unknown without a lease"),
    _col("holder", Text, "crawler that holds the lease, the first word of crawl_locks.token; unknown without a lease"),
    _col("failures", Integer, "attempts in a row that failed", must=True),
    _col("attempts", Integer, "attempts in a row that did not even end, as their process did; unknown means none"),
)

metrics = _table(
    "metrics",
    "Downloads, likes and trend by day: a row only where they changed, valid until the next.",
    _repo(),
    _key("day", Day, "UTC day as the number yyyymmdd"),
    _col("downloads", BigInt, "downloads of the last 30 days"),
    _col("likes", BigInt, "likes"),
    _col("trending_score", Real, "the Hub's trending score"),
    _col("source", Text, "whose history it was imported from; unknown for what this catalog's crawls counted"),
    linked=True,
)

events = _table(
    "events",
    "What changed in a repo; a new repo is only recorded in repos.first_seen. The view changes shows both.",
    _key("id", BigInt, "number of the event"),
    _col("repo", BigInt, "the repo's number", ForeignKey("repos.id"), must=True, index=True),
    _col("at", UtcDateTime, "when the catalog noticed", must=True, index=True),
    _col("run", BigInt, "the crawl that noticed", ForeignKey("crawl_runs.id")),
    _col(
        "kind",
        Text,
        "renamed, commit, licence, gated, ungated, private, disabled, gone, back, label, new file, changed file, "
        "removed file, new artifact or removed artifact",
        must=True,
    ),
    _col("subject", Text, "what changed: a path, an artifact, a label's name"),
    _col("before", Text, "what it was"),
    _col("after", Text, "the new value"),
)

aliases = _table(
    "aliases",
    "Ids that a repo had before.",
    _repo(),
    _key("repo_id", Text, "the earlier id"),
    _col("until", UtcDateTime, "when the catalog noticed that it had changed", must=True),
    Index("ix_aliases_repo_id", text("lower(repo_id)")),
)

skips = _table(
    "skips",
    "What was skipped, and why; a row is deleted when the repo is read later.",
    _key("repo_id", Text, "the repo's id as the Hub gave it"),
    _key("reason", Text, "gated, private, gone, renamed, disabled, malformed, too large, unreadable or failed"),
    _key("detail", Text, "the details"),
    _col("hub_id", Text, "the Hub's `_id`, if known"),
    _col("seen_at", UtcDateTime, "when it was first skipped for this reason", must=True),
    _col("run", BigInt, "the crawl that skipped it", ForeignKey("crawl_runs.id")),
)

crawl_locks = _table(
    "crawl_locks",
    "The crawls that are writing to this catalog.",
    _key("name", Text, "crawl on SQLite; on PostgreSQL one for each process"),
    _col("pid", BigInt, "process", must=True),
    _col("host", Text, "machine", must=True),
    _col("started_at", UtcDateTime, "since when", must=True),
    _col("seen_at", UtcDateTime, "when the process last refreshed it", must=True),
    _col("token", Text, "random: distinguishes two holders with one pid", must=True),
)

request_quotas = _table(
    "request_quotas",
    "What is left of the Hub's quotas for crawlers of this catalog that share an account; PostgreSQL only.",
    _key("account", Text, "digest of the Hub and the token; without one, of the Hub and the machine"),
    _key("bucket", Text, "the quota: api or resolvers"),
    _col("known", Bool, "a response stated it since the last refusal", must=True),
    _col("remaining", BigInt, "requests of the window not granted yet; unknown where the Hub states none"),
    _col("quota", BigInt, "requests of a window"),
    _col("window_seconds", Real, "length of a window, seconds"),
    _col("window_ends", Real, "end of the window, seconds since 1970"),
    _col("assumed", Bool, "the end was not stated, but follows from the last window's", must=True),
    _col("closed_until", Real, "after a refusal: when the next request may be sent, seconds since 1970", must=True),
    _col("probed_until", Real, "until when crawlers wait for the first response, seconds since 1970", must=True),
)

search_documents = _table(
    "search_documents",
    "The text that full-text search searches.",
    _repo(),
    _col("text", Text, "id, family, schemes, task, library, informative tags, the card's summary", must=True),
)

search_pending = _table(
    "search_pending",
    "Repos whose search document must be rebuilt.",
    _repo(),
)
