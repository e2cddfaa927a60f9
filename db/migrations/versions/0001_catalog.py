"""The catalog: what the Hub says, what was made of it, what happened.

Comments are not here: they are put on PostgreSQL's tables from db.schema.tables after every migration, as views are.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.read.search import create_index, drop_index
from db.schema.types import BigInt, Bool, Day, Hash, Real, UtcDateTime

revision = "0001_catalog"
down_revision = None
branch_labels = None
depends_on = None

STRICT = {"sqlite_strict": True, "sqlite_with_rowid": True}
LINKED = {"sqlite_strict": True, "sqlite_with_rowid": False}  # stored in the order of its key


def upgrade() -> None:
    _runs()
    _hub()
    _labels()
    _history()
    create_index(op.get_bind())


def downgrade() -> None:
    drop_index(op.get_bind())
    for table in reversed(TABLES):
        op.drop_table(table)


TABLES = (
    "crawl_runs",
    "tags",
    "repos",
    "edges",
    "evaluations",
    "repo_facts",
    "repo_files",
    "repo_tags",
    "evidence",
    "headers",
    "layouts",
    "vocabularies",
    "artifacts",
    "conflicts",
    "label_evidence",
    "repo_labels",
    "unclaimed",
    "crawl_locks",
    "sweep_pages",
    "watermarks",
    "cursors",
    "skips",
    "absences",
    "aliases",
    "events",
    "metrics",
    "search_documents",
    "search_pending",
    "visits",
)


def _runs() -> None:
    op.create_table(
        "crawl_runs",
        sa.Column("id", BigInt(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime()),
        sa.Column("outcome", sa.Text()),
        sa.Column("repos_seen", BigInt(), nullable=False),
        sa.Column("repos_new", BigInt(), nullable=False),
        sa.Column("repos_changed", BigInt(), nullable=False),
        sa.Column("repos_unchanged", BigInt(), nullable=False),
        sa.Column("repos_skipped", BigInt(), nullable=False),
        sa.Column("repos_enriched", BigInt(), nullable=False),
        sa.Column("api_requests", BigInt(), nullable=False),
        sa.Column("resolver_requests", BigInt(), nullable=False),
        sa.Column("bytes_read", BigInt(), nullable=False),
        sa.Column("seconds_waited", Real(), nullable=False),
        sa.Column("swept_from", UtcDateTime()),
        sa.Column("detail", sa.Text()),
        sa.Column("pid", BigInt(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_crawl_runs"),
        **STRICT,
    )
    op.create_index("ix_crawl_runs_scope", "crawl_runs", ["scope", "kind", "swept_from"])


def _hub() -> None:
    op.create_table(
        "tags",
        sa.Column("id", BigInt(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tags"),
        sa.UniqueConstraint("tag", name="uq_tags_tag"),
        **STRICT,
    )
    op.create_table(
        "repos",
        sa.Column("id", BigInt(), autoincrement=False, nullable=False),
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("repo_id", sa.Text(), nullable=False),
        sa.Column("author", sa.Text()),
        sa.Column("sha", sa.Text()),
        sa.Column("created_at", UtcDateTime()),
        sa.Column("last_modified", UtcDateTime()),
        sa.Column("downloads", BigInt()),
        sa.Column("downloads_all_time", BigInt()),
        sa.Column("likes", BigInt()),
        sa.Column("trending_score", Real()),
        sa.Column("gated", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("pipeline_tag", sa.Text()),
        sa.Column("library_name", sa.Text()),
        sa.Column("license", sa.Text()),
        sa.Column("used_storage", BigInt()),
        sa.Column("total_size", BigInt()),
        sa.Column("file_count", sa.Integer()),
        sa.Column("first_seen", UtcDateTime(), nullable=False),
        sa.Column("last_seen", UtcDateTime(), nullable=False),
        sa.Column("first_run", BigInt()),
        sa.Column("digest", BigInt(), nullable=False),
        sa.ForeignKeyConstraint(["first_run"], ["crawl_runs.id"], name="fk_repos_first_run"),
        sa.PrimaryKeyConstraint("id", name="pk_repos"),
        sa.UniqueConstraint("hub_id", name="uq_repos_hub_id"),
        **STRICT,
    )
    op.create_index("ix_repos_author", "repos", [sa.text("lower(author)")])
    op.create_index("ix_repos_downloads", "repos", ["downloads"])
    op.create_index("ix_repos_first_seen", "repos", ["first_seen"])
    op.create_index("ix_repos_last_modified", "repos", ["last_modified"])
    op.create_index("ix_repos_repo_id", "repos", ["repo_id"])
    op.create_index("ix_repos_lower", "repos", [sa.text("lower(repo_id)")])
    op.create_table(
        "edges",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("parent", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("relation", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("declared", Bool(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_edges_repo"),
        sa.PrimaryKeyConstraint("repo", "parent", "relation", "source", name="pk_edges"),
        **LINKED,
    )
    op.create_index("ix_edges_parent", "edges", [sa.text("lower(parent)")])
    op.create_table(
        "evaluations",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("value", Real(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_evaluations_repo"),
        sa.PrimaryKeyConstraint("repo", "position", name="pk_evaluations"),
        **LINKED,
    )
    op.create_table(
        "repo_facts",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_repo_facts_repo"),
        sa.PrimaryKeyConstraint("repo", name="pk_repo_facts"),
        **STRICT,
    )
    op.create_table(
        "repo_files",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("path", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("size", BigInt()),
        sa.Column("blob_id", Hash()),
        sa.Column("sha256", Hash()),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_repo_files_repo"),
        sa.PrimaryKeyConstraint("repo", "path", name="pk_repo_files"),
        **LINKED,
    )
    op.create_table(
        "repo_tags",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tag", BigInt(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_repo_tags_repo"),
        sa.ForeignKeyConstraint(["tag"], ["tags.id"], name="fk_repo_tags_tag"),
        sa.PrimaryKeyConstraint("repo", "position", name="pk_repo_tags"),
        **LINKED,
    )
    op.create_index("ix_repo_tags_tag", "repo_tags", ["tag"])


def _labels() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", BigInt(), autoincrement=False, nullable=False),
        sa.Column("key", BigInt(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
        sa.UniqueConstraint("key", name="uq_evidence_key"),
        **STRICT,
    )
    op.create_table(
        "headers",
        sa.Column("id", BigInt(), autoincrement=False, nullable=False),
        sa.Column("content", Hash(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("architecture", sa.Text()),
        sa.Column("parameters", BigInt()),
        sa.Column("active_parameters", BigInt()),
        sa.Column("tensor_count", BigInt(), nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("quant", sa.Text()),
        sa.Column("quant_method", sa.Text()),
        sa.Column("quant_share", Real()),
        sa.Column("bits_per_weight", Real()),
        sa.Column("context", BigInt()),
        sa.Column("size", BigInt()),
        sa.Column("size_verified", Bool()),
        sa.Column("inferred", Bool(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("bytes_read", BigInt(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_headers"),
        sa.UniqueConstraint("content", name="uq_headers_content"),
        **STRICT,
    )
    op.create_table(
        "layouts",
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("count", BigInt(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("length", BigInt(), nullable=False),
        sa.PrimaryKeyConstraint("key", "count", "digest", name="pk_layouts"),
        **STRICT,
    )
    op.create_table(
        "vocabularies",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("used_since", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vocabularies"),
        sa.UniqueConstraint("digest", name="uq_vocabularies_digest"),
        **STRICT,
    )
    op.create_table(
        "artifacts",
        sa.Column("id", BigInt(), autoincrement=False, nullable=False),
        sa.Column("repo", BigInt(), nullable=False),
        sa.Column("artifact", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("paths", sa.Text()),
        sa.Column("total_size", BigInt()),
        sa.Column("content", Hash()),
        sa.Column("main", Bool(), nullable=False),
        sa.Column("header", BigInt()),
        sa.Column("parameters", BigInt()),
        sa.Column("format", sa.Text()),
        sa.Column("quantized", Bool()),
        sa.Column("quant", sa.Text()),
        sa.Column("quant_method", sa.Text()),
        sa.Column("bits", Real()),
        sa.Column("group_size", sa.Integer()),
        sa.Column("qat", Bool()),
        sa.Column("imatrix", Bool()),
        sa.Column("dynamic", Bool()),
        sa.Column("context", BigInt()),
        sa.Column("parameters_measured", BigInt()),
        sa.Column("active_parameters_measured", BigInt()),
        sa.Column("quant_measured", sa.Text()),
        sa.Column("bits_per_weight", Real()),
        sa.Column("context_measured", BigInt()),
        sa.Column("architecture", sa.Text()),
        sa.ForeignKeyConstraint(["header"], ["headers.id"], name="fk_artifacts_header"),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_artifacts_repo"),
        sa.PrimaryKeyConstraint("id", name="pk_artifacts"),
        sa.UniqueConstraint("repo", "artifact", name="uq_artifacts_repo_artifact"),
        **STRICT,
    )
    op.create_index("ix_artifacts_content", "artifacts", ["content"])
    op.create_index("ix_artifacts_quant", "artifacts", ["quant", "total_size"])
    op.create_table(
        "conflicts",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("artifact", BigInt(), autoincrement=False, nullable=False),
        sa.Column("field", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("claimed", sa.Text(), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=False),
        sa.Column("measured", sa.Text(), nullable=False),
        sa.Column("measured_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_conflicts_repo"),
        sa.PrimaryKeyConstraint("repo", "artifact", "field", name="pk_conflicts"),
        **LINKED,
    )
    op.create_table(
        "label_evidence",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("artifact", BigInt(), autoincrement=False, nullable=False),
        sa.Column("evidence", BigInt(), autoincrement=False, nullable=False),
        sa.Column("resolved", Bool(), nullable=False),
        sa.ForeignKeyConstraint(["evidence"], ["evidence.id"], name="fk_label_evidence_evidence"),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_label_evidence_repo"),
        sa.PrimaryKeyConstraint("repo", "artifact", "evidence", name="pk_label_evidence"),
        **LINKED,
    )
    op.create_table(
        "repo_labels",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("family", sa.Text()),
        sa.Column("version", sa.Text()),
        sa.Column("base_family", sa.Text()),
        sa.Column("base_version", sa.Text()),
        sa.Column("release", sa.Text()),
        sa.Column("size", sa.Text()),
        sa.Column("parameters", BigInt()),
        sa.Column("approximate", Bool()),
        sa.Column("active_parameters", BigInt()),
        sa.Column("experts", sa.Integer()),
        sa.Column("tuning", sa.Text()),
        sa.Column("specialty", sa.Text()),
        sa.Column("format", sa.Text()),
        sa.Column("quantized", Bool()),
        sa.Column("quant", sa.Text()),
        sa.Column("quant_method", sa.Text()),
        sa.Column("bits", Real()),
        sa.Column("group_size", sa.Integer()),
        sa.Column("qat", Bool()),
        sa.Column("imatrix", Bool()),
        sa.Column("dynamic", Bool()),
        sa.Column("context", BigInt()),
        sa.Column("languages", sa.Text()),
        sa.Column("parameters_measured", BigInt()),
        sa.Column("active_parameters_measured", BigInt()),
        sa.Column("quant_measured", sa.Text()),
        sa.Column("bits_per_weight", Real()),
        sa.Column("context_measured", BigInt()),
        sa.Column("architecture", sa.Text()),
        sa.Column("base_model", sa.Text()),
        sa.Column("base_model_relation", sa.Text()),
        sa.Column("vocabulary", sa.Integer(), nullable=False),
        sa.Column("depth", sa.Text(), nullable=False),
        sa.Column("digest", BigInt(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_repo_labels_repo"),
        sa.ForeignKeyConstraint(["vocabulary"], ["vocabularies.id"], name="fk_repo_labels_vocabulary"),
        sa.PrimaryKeyConstraint("repo", name="pk_repo_labels"),
        **STRICT,
    )
    op.create_index("ix_repo_labels_base_model", "repo_labels", [sa.text("lower(base_model)")])
    op.create_index("ix_repo_labels_base_family", "repo_labels", ["base_family"])
    op.create_index("ix_repo_labels_family", "repo_labels", ["family", "quant"])
    op.create_index("ix_repo_labels_quant", "repo_labels", ["quant"])
    op.create_table(
        "unclaimed",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("token", sa.Text(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_unclaimed_repo"),
        sa.PrimaryKeyConstraint("repo", "token", name="pk_unclaimed"),
        **LINKED,
    )
    op.create_index("ix_unclaimed_token", "unclaimed", ["token"])


def _history() -> None:
    op.create_table(
        "crawl_locks",
        sa.Column("name", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("pid", BigInt(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_crawl_locks"),
        **STRICT,
    )
    op.create_table(
        "sweep_pages",
        sa.Column("scope", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("page", BigInt(), autoincrement=False, nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "page", name="pk_sweep_pages"),
        **STRICT,
    )
    op.create_table(
        "watermarks",
        sa.Column("scope", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("newest", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_watermarks"),
        **STRICT,
    )
    op.create_table(
        "cursors",
        sa.Column("scope", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("cursor", sa.Text()),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("newest", UtcDateTime()),
        sa.Column("pages", BigInt(), nullable=False),
        sa.Column("run", BigInt(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["crawl_runs.id"], name="fk_cursors_run"),
        sa.PrimaryKeyConstraint("scope", "kind", name="pk_cursors"),
        **STRICT,
    )
    op.create_table(
        "skips",
        sa.Column("repo_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("detail", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("hub_id", sa.Text()),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("run", BigInt()),
        sa.ForeignKeyConstraint(["run"], ["crawl_runs.id"], name="fk_skips_run"),
        sa.PrimaryKeyConstraint("repo_id", "reason", "detail", name="pk_skips"),
        **STRICT,
    )
    op.create_table(
        "absences",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("probed_at", UtcDateTime()),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_absences_repo"),
        sa.PrimaryKeyConstraint("repo", name="pk_absences"),
        **STRICT,
    )
    op.create_table(
        "aliases",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("repo_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_aliases_repo"),
        sa.PrimaryKeyConstraint("repo", "repo_id", name="pk_aliases"),
        **STRICT,
    )
    op.create_index("ix_aliases_repo_id", "aliases", [sa.text("lower(repo_id)")])
    op.create_table(
        "events",
        sa.Column("id", BigInt(), autoincrement=False, nullable=False),
        sa.Column("repo", BigInt(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("run", BigInt()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text()),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_events_repo"),
        sa.ForeignKeyConstraint(["run"], ["crawl_runs.id"], name="fk_events_run"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        **STRICT,
    )
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index("ix_events_repo", "events", ["repo"])
    op.create_table(
        "metrics",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("day", Day(), autoincrement=False, nullable=False),
        sa.Column("downloads", BigInt()),
        sa.Column("likes", BigInt()),
        sa.Column("trending_score", Real()),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_metrics_repo"),
        sa.PrimaryKeyConstraint("repo", "day", name="pk_metrics"),
        **LINKED,
    )
    op.create_table(
        "search_documents",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_search_documents_repo"),
        sa.PrimaryKeyConstraint("repo", name="pk_search_documents"),
        **STRICT,
    )
    op.create_table(
        "search_pending",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_search_pending_repo"),
        sa.PrimaryKeyConstraint("repo", name="pk_search_pending"),
        **STRICT,
    )
    op.create_table(
        "visits",
        sa.Column("repo", BigInt(), autoincrement=False, nullable=False),
        sa.Column("sha", sa.Text()),
        sa.Column("depth", sa.Text()),
        sa.Column("visited_at", UtcDateTime()),
        sa.Column("lease", BigInt(), nullable=False),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_visits_repo"),
        sa.PrimaryKeyConstraint("repo", name="pk_visits"),
        **STRICT,
    )
