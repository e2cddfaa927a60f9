"""Indexes of the few rows that saved queries look for among many, and of orders and counts that pages ask for: without
them each query reads a whole table."""

from __future__ import annotations

from sqlalchemy import Index, func, text

from db.schema.tables import artifacts, events, headers, metrics, repo_files, repo_labels, repos


def _rare(name: str, column: object, condition: str) -> Index:
    """An index of the rows for which `condition` is true; a query uses it that states the same condition."""
    return Index(name, column, sqlite_where=text(condition), postgresql_where=text(condition))  # type: ignore[arg-type]


RESTRICTING = "('no-derivatives', 'non-commercial', 'use-restricted', 'share-alike')"
"""Kinds of licences that models made from a model have to keep, as the view license_conflicts judges them."""

QUERY_INDEXES = (
    _rare("ix_repos_not_available", repos.c.status, "status not in ('available', 'gated')"),
    _rare("ix_repo_files_scanned", repo_files.c.repo, "scan_status is not null"),
    _rare("ix_repo_files_python", repo_files.c.repo, "substr(lower(path), length(path) - 2) = '.py'"),
    _rare("ix_repo_labels_quantized", repo_labels.c.base_model, "quantized"),
    _rare("ix_repo_labels_custom_code", repo_labels.c.repo, "custom_code"),
    _rare("ix_repo_labels_suspicious", repo_labels.c.repo, "suspicious_template is not null"),
    _rare("ix_headers_unverified", headers.c.content, "not size_verified"),
    _rare("ix_artifacts_sidecars", artifacts.c.role, "role <> 'weights'"),
    _rare("ix_artifacts_mislabelled", artifacts.c.repo, "quant <> quant_measured"),
    _rare("ix_artifacts_pickles", artifacts.c.repo, "pickle_verdict is not null"),
    _rare("ix_artifacts_unsafe", artifacts.c.repo, "unsafe_format"),
    _rare("ix_artifacts_suspicious", artifacts.c.repo, "suspicious_template is not null"),
    _rare("ix_artifacts_templates", artifacts.c.repo, "chat_template_digest is not null"),
    _rare("ix_artifacts_compared", artifacts.c.quant, "quant_measured is not null"),
    _rare("ix_labels_sizes", repo_labels.c.repo, "parameters is not null and parameters_measured is not null"),
    _rare(
        "ix_labels_experts",
        repo_labels.c.repo,
        "coalesce(active_parameters_measured, active_parameters) > 0",
    ),
    _rare(
        "ix_labels_size_claims",
        repo_labels.c.repo,
        "parameters > 0 and parameters_measured > 0 and abs(parameters_measured - parameters) > 0.1 * parameters",
    ),
    _rare("ix_labels_licences", repo_labels.c.license_kind, f"license_kind in {RESTRICTING}"),
    _rare("ix_labels_contexts", repo_labels.c.repo, "context is not null and context_measured is not null"),
    Index(
        "ix_metrics_much",
        metrics.c.repo,
        metrics.c.day,
        metrics.c.downloads,
        sqlite_where=text("downloads >= 100"),
        postgresql_where=text("downloads >= 100"),
    ),
    Index("ix_artifacts_contents", artifacts.c.content, artifacts.c.repo, artifacts.c.role),
    Index("ix_events_kind", events.c.kind, events.c.repo),
    Index("ix_repos_total_size", repos.c.total_size),
    Index("ix_repos_trending_score", repos.c.trending_score),
    Index("ix_repos_license", func.lower(repos.c.license)),
    Index("ix_repos_pipeline_tag", func.lower(repos.c.pipeline_tag)),
    Index("ix_repo_labels_depth", repo_labels.c.depth),
    Index("ix_repo_labels_format", repo_labels.c.format),
    Index("ix_repo_labels_parameters", func.coalesce(repo_labels.c.parameters_measured, repo_labels.c.parameters)),
    Index(
        "ix_artifacts_held",
        artifacts.c.repo,
        artifacts.c.format,
        artifacts.c.quant,
        sqlite_where=text("role = 'weights'"),
        postgresql_where=text("role = 'weights'"),
    ),
)
