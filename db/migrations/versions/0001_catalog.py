"""The catalog: what the Hub says, what was made of it, what happened.

Comments are not here: they are put on PostgreSQL's tables from db.models after every migration, as views are.

Nothing of the program is imported: this migration makes the same schema whatever becomes of the program's modules.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

revision = "0001_catalog"
down_revision = None
branch_labels = None
depends_on = None

STRICT = {"sqlite_strict": True, "sqlite_with_rowid": True}
LINKED = {"sqlite_strict": True, "sqlite_with_rowid": False}  # stored in the order of its key

BIG_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite's STRICT tables know no BIGINT
BOOL = sa.Boolean().with_variant(sa.Integer(), "sqlite")
REAL: sa.Double[float] = sa.Double().with_variant(sa.REAL(), "sqlite")
UTC_DATE_TIME = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
DAY = sa.Integer()  # yyyymmdd
HASH = sa.LargeBinary()


def upgrade() -> None:
    _runs()
    _hub()
    _labels()
    _history()
    _create_search_index()


def downgrade() -> None:
    _drop_search_index()
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
        sa.Column("id", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("started_at", UTC_DATE_TIME, nullable=False),
        sa.Column("finished_at", UTC_DATE_TIME),
        sa.Column("outcome", sa.Text()),
        sa.Column("repos_seen", BIG_INT, nullable=False),
        sa.Column("repos_new", BIG_INT, nullable=False),
        sa.Column("repos_changed", BIG_INT, nullable=False),
        sa.Column("repos_unchanged", BIG_INT, nullable=False),
        sa.Column("repos_skipped", BIG_INT, nullable=False),
        sa.Column("repos_enriched", BIG_INT, nullable=False),
        sa.Column("api_requests", BIG_INT, nullable=False),
        sa.Column("resolver_requests", BIG_INT, nullable=False),
        sa.Column("bytes_read", BIG_INT, nullable=False),
        sa.Column("seconds_waited", REAL, nullable=False),
        sa.Column("swept_from", UTC_DATE_TIME),
        sa.Column("detail", sa.Text()),
        sa.Column("pid", BIG_INT, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_crawl_runs"),
        **STRICT,
    )
    op.create_index("ix_crawl_runs_scope", "crawl_runs", ["scope", "kind", "swept_from"])


def _hub() -> None:
    op.create_table(
        "tags",
        sa.Column("id", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tags"),
        sa.UniqueConstraint("tag", name="uq_tags_tag"),
        **STRICT,
    )
    op.create_table(
        "repos",
        sa.Column("id", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("hub_id", sa.Text(), nullable=False),
        sa.Column("repo_id", sa.Text(), nullable=False),
        sa.Column("author", sa.Text()),
        sa.Column("sha", sa.Text()),
        sa.Column("created_at", UTC_DATE_TIME),
        sa.Column("last_modified", UTC_DATE_TIME),
        sa.Column("downloads", BIG_INT),
        sa.Column("downloads_all_time", BIG_INT),
        sa.Column("likes", BIG_INT),
        sa.Column("trending_score", REAL),
        sa.Column("gated", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("pipeline_tag", sa.Text()),
        sa.Column("library_name", sa.Text()),
        sa.Column("license", sa.Text()),
        sa.Column("used_storage", BIG_INT),
        sa.Column("total_size", BIG_INT),
        sa.Column("file_count", sa.Integer()),
        sa.Column("first_seen", UTC_DATE_TIME, nullable=False),
        sa.Column("last_seen", UTC_DATE_TIME, nullable=False),
        sa.Column("first_run", BIG_INT),
        sa.Column("digest", BIG_INT, nullable=False),
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
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("parent", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("relation", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("declared", BOOL, nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_edges_repo"),
        sa.PrimaryKeyConstraint("repo", "parent", "relation", "source", name="pk_edges"),
        **LINKED,
    )
    op.create_index("ix_edges_parent", "edges", [sa.text("lower(parent)")])
    op.create_table(
        "evaluations",
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("value", REAL, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_evaluations_repo"),
        sa.PrimaryKeyConstraint("repo", "position", name="pk_evaluations"),
        **LINKED,
    )
    op.create_table(
        "repo_facts",
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_repo_facts_repo"),
        sa.PrimaryKeyConstraint("repo", name="pk_repo_facts"),
        **STRICT,
    )
    op.create_table(
        "repo_files",
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("path", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("size", BIG_INT),
        sa.Column("blob_id", HASH),
        sa.Column("sha256", HASH),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_repo_files_repo"),
        sa.PrimaryKeyConstraint("repo", "path", name="pk_repo_files"),
        **LINKED,
    )
    op.create_table(
        "repo_tags",
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tag", BIG_INT, nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_repo_tags_repo"),
        sa.ForeignKeyConstraint(["tag"], ["tags.id"], name="fk_repo_tags_tag"),
        sa.PrimaryKeyConstraint("repo", "position", name="pk_repo_tags"),
        **LINKED,
    )
    op.create_index("ix_repo_tags_tag", "repo_tags", ["tag"])


def _labels() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("key", BIG_INT, nullable=False),
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
        sa.Column("id", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("content", HASH, nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("architecture", sa.Text()),
        sa.Column("parameters", BIG_INT),
        sa.Column("active_parameters", BIG_INT),
        sa.Column("tensor_count", BIG_INT, nullable=False),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("quant", sa.Text()),
        sa.Column("quant_method", sa.Text()),
        sa.Column("quant_share", REAL),
        sa.Column("bits_per_weight", REAL),
        sa.Column("context", BIG_INT),
        sa.Column("size", BIG_INT),
        sa.Column("size_verified", BOOL),
        sa.Column("inferred", BOOL, nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("bytes_read", BIG_INT, nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("read_at", UTC_DATE_TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_headers"),
        sa.UniqueConstraint("content", name="uq_headers_content"),
        **STRICT,
    )
    op.create_table(
        "layouts",
        sa.Column("key", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("count", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("length", BIG_INT, nullable=False),
        sa.PrimaryKeyConstraint("key", "count", "digest", name="pk_layouts"),
        **STRICT,
    )
    op.create_table(
        "vocabularies",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("used_since", UTC_DATE_TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vocabularies"),
        sa.UniqueConstraint("digest", name="uq_vocabularies_digest"),
        **STRICT,
    )
    op.create_table(
        "artifacts",
        sa.Column("id", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("repo", BIG_INT, nullable=False),
        sa.Column("artifact", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("paths", sa.Text()),
        sa.Column("total_size", BIG_INT),
        sa.Column("content", HASH),
        sa.Column("main", BOOL, nullable=False),
        sa.Column("header", BIG_INT),
        sa.Column("parameters", BIG_INT),
        sa.Column("format", sa.Text()),
        sa.Column("quantized", BOOL),
        sa.Column("quant", sa.Text()),
        sa.Column("quant_method", sa.Text()),
        sa.Column("bits", REAL),
        sa.Column("group_size", sa.Integer()),
        sa.Column("qat", BOOL),
        sa.Column("imatrix", BOOL),
        sa.Column("dynamic", BOOL),
        sa.Column("context", BIG_INT),
        sa.Column("parameters_measured", BIG_INT),
        sa.Column("active_parameters_measured", BIG_INT),
        sa.Column("quant_measured", sa.Text()),
        sa.Column("bits_per_weight", REAL),
        sa.Column("context_measured", BIG_INT),
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
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("artifact", BIG_INT, autoincrement=False, nullable=False),
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
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("artifact", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("evidence", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("resolved", BOOL, nullable=False),
        sa.ForeignKeyConstraint(["evidence"], ["evidence.id"], name="fk_label_evidence_evidence"),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_label_evidence_repo"),
        sa.PrimaryKeyConstraint("repo", "artifact", "evidence", name="pk_label_evidence"),
        **LINKED,
    )
    op.create_table(
        "repo_labels",
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("family", sa.Text()),
        sa.Column("version", sa.Text()),
        sa.Column("base_family", sa.Text()),
        sa.Column("base_version", sa.Text()),
        sa.Column("release", sa.Text()),
        sa.Column("size", sa.Text()),
        sa.Column("parameters", BIG_INT),
        sa.Column("approximate", BOOL),
        sa.Column("active_parameters", BIG_INT),
        sa.Column("experts", sa.Integer()),
        sa.Column("tuning", sa.Text()),
        sa.Column("specialty", sa.Text()),
        sa.Column("format", sa.Text()),
        sa.Column("quantized", BOOL),
        sa.Column("quant", sa.Text()),
        sa.Column("quant_method", sa.Text()),
        sa.Column("bits", REAL),
        sa.Column("group_size", sa.Integer()),
        sa.Column("qat", BOOL),
        sa.Column("imatrix", BOOL),
        sa.Column("dynamic", BOOL),
        sa.Column("context", BIG_INT),
        sa.Column("languages", sa.Text()),
        sa.Column("parameters_measured", BIG_INT),
        sa.Column("active_parameters_measured", BIG_INT),
        sa.Column("quant_measured", sa.Text()),
        sa.Column("bits_per_weight", REAL),
        sa.Column("context_measured", BIG_INT),
        sa.Column("architecture", sa.Text()),
        sa.Column("base_model", sa.Text()),
        sa.Column("base_model_relation", sa.Text()),
        sa.Column("vocabulary", sa.Integer(), nullable=False),
        sa.Column("depth", sa.Text(), nullable=False),
        sa.Column("digest", BIG_INT, nullable=False),
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
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
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
        sa.Column("pid", BIG_INT, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("started_at", UTC_DATE_TIME, nullable=False),
        sa.Column("seen_at", UTC_DATE_TIME, nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_crawl_locks"),
        **STRICT,
    )
    op.create_table(
        "sweep_pages",
        sa.Column("scope", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("page", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "page", name="pk_sweep_pages"),
        **STRICT,
    )
    op.create_table(
        "watermarks",
        sa.Column("scope", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("newest", UTC_DATE_TIME, nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_watermarks"),
        **STRICT,
    )
    op.create_table(
        "cursors",
        sa.Column("scope", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("cursor", sa.Text()),
        sa.Column("started_at", UTC_DATE_TIME, nullable=False),
        sa.Column("newest", UTC_DATE_TIME),
        sa.Column("pages", BIG_INT, nullable=False),
        sa.Column("run", BIG_INT, nullable=False),
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
        sa.Column("seen_at", UTC_DATE_TIME, nullable=False),
        sa.Column("run", BIG_INT),
        sa.ForeignKeyConstraint(["run"], ["crawl_runs.id"], name="fk_skips_run"),
        sa.PrimaryKeyConstraint("repo_id", "reason", "detail", name="pk_skips"),
        **STRICT,
    )
    op.create_table(
        "absences",
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("since", UTC_DATE_TIME, nullable=False),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("probed_at", UTC_DATE_TIME),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_absences_repo"),
        sa.PrimaryKeyConstraint("repo", name="pk_absences"),
        **STRICT,
    )
    op.create_table(
        "aliases",
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("repo_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("until", UTC_DATE_TIME, nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_aliases_repo"),
        sa.PrimaryKeyConstraint("repo", "repo_id", name="pk_aliases"),
        **STRICT,
    )
    op.create_index("ix_aliases_repo_id", "aliases", [sa.text("lower(repo_id)")])
    op.create_table(
        "events",
        sa.Column("id", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("repo", BIG_INT, nullable=False),
        sa.Column("at", UTC_DATE_TIME, nullable=False),
        sa.Column("run", BIG_INT),
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
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("day", DAY, autoincrement=False, nullable=False),
        sa.Column("downloads", BIG_INT),
        sa.Column("likes", BIG_INT),
        sa.Column("trending_score", REAL),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_metrics_repo"),
        sa.PrimaryKeyConstraint("repo", "day", name="pk_metrics"),
        **LINKED,
    )
    op.create_table(
        "search_documents",
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_search_documents_repo"),
        sa.PrimaryKeyConstraint("repo", name="pk_search_documents"),
        **STRICT,
    )
    op.create_table(
        "search_pending",
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_search_pending_repo"),
        sa.PrimaryKeyConstraint("repo", name="pk_search_pending"),
        **STRICT,
    )
    op.create_table(
        "visits",
        sa.Column("repo", BIG_INT, autoincrement=False, nullable=False),
        sa.Column("sha", sa.Text()),
        sa.Column("depth", sa.Text()),
        sa.Column("visited_at", UTC_DATE_TIME),
        sa.Column("lease", BIG_INT, nullable=False),
        sa.Column("leased_until", UTC_DATE_TIME),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["repo"], ["repos.id"], name="fk_visits_repo"),
        sa.PrimaryKeyConstraint("repo", name="pk_visits"),
        **STRICT,
    )


def _create_search_index() -> None:
    """The index over search_documents. Where PostgreSQL lacks pg_trgm, search works without one, slowly."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            "create virtual table search_index using fts5("
            "text, content='search_documents', content_rowid='repo', tokenize='trigram', detail='none', columnsize=0)"
        )
        return
    try:
        with connection.begin_nested():
            connection.exec_driver_sql("create extension if not exists pg_trgm")
            connection.exec_driver_sql("create index search_index on search_documents using gin (text gin_trgm_ops)")
    except DBAPIError:
        pass  # no contrib modules on that server, or no right to add one


def _drop_search_index() -> None:
    connection = op.get_bind()
    kind = "table" if connection.dialect.name == "sqlite" else "index"
    connection.exec_driver_sql(f"drop {kind} if exists search_index")
