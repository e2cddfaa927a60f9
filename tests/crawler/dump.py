"""A catalog as comparable rows: each with natural keys, without row ids and times.

Events of labels are excluded: which of two copies was read first decides whose labels changed by it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

_REPO = "(select repo_id from repos where id = {}.repo)"
_ARTIFACT = "coalesce((select artifact from artifacts where id = {}.artifact), '')"

QUERIES = {
    "repos": "select hub_id, repo_id, author, sha, created_at, last_modified, downloads, downloads_all_time, likes,"
    " trending_score, gated, status, pipeline_tag, library_name, license, used_storage, total_size, file_count, digest"
    " from repos",
    "facts": f"select {_REPO.format('f')}, facts from repo_facts f",
    "tags": f"select {_REPO.format('l')}, position, tag from repo_tags l",
    "edges": f"select {_REPO.format('e')}, parent, relation, source, declared from edges e",
    "evaluations": f"select {_REPO.format('e')}, position, task, dataset, metric, value, source from evaluations e",
    "labels": f"select {_REPO.format('l')}, * from repo_labels l",
    "evidence": f"select {_REPO.format('l')}, {_ARTIFACT.format('l')}, e.field, e.value, e.source, e.rule, e.weight,"
    " l.resolved from label_evidence l join evidence e on e.id = l.evidence",
    "conflicts": f"select {_REPO.format('c')}, {_ARTIFACT.format('c')}, field, claimed, claimed_by, measured,"
    " measured_by from conflicts c",
    "unclaimed": f"select {_REPO.format('u')}, token from unclaimed u",
    "files": f"select {_REPO.format('f')}, path, size, hex(blob_id), hex(sha256) from repo_files f",
    "artifacts": f"select {_REPO.format('a')}, a.*, hex(h.content) as read from artifacts a"
    " left join headers h on h.id = a.header",
    "headers": "select * from headers",
    "header_layouts": 'select "key", "count", digest, length from header_layouts',
    "enrichments": f"select {_REPO.format('v')}, sha, depth, failures from enrichments v",
    "aliases": f"select {_REPO.format('a')}, repo_id from aliases a",
    "events": f"select {_REPO.format('e')}, kind, subject, before, after from events e where kind <> 'label'",
    "skips": "select repo_id, reason, detail, hub_id from skips",
    "metrics": f"select {_REPO.format('m')}, downloads, likes, trending_score from metrics m",
}
NUMBERS = frozenset((
    "id", "repo", "tag_id", "vocabulary", "header", "requests", "bytes_read", "read_at",
))  # fmt: skip
"""Columns with row ids, or with the cost of reading, which depends on the order of the crawl."""


def dump(db: Path) -> dict[str, list[tuple[object, ...]]]:
    """The content of the catalog, sorted, so that the order of the crawl does not matter."""
    found = {}
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        names = dict(connection.execute("select id, tag from tags").fetchall())
        for name, sql in QUERIES.items():
            cursor = connection.execute(sql)
            kept = [at for at, column in enumerate(cursor.description) if column[0] not in NUMBERS]
            rows = [tuple(row[at] for at in kept) for row in cursor]
            if name == "tags":
                rows = [(*row[:2], names[row[2]]) for row in rows]
            found[name] = sorted(rows, key=repr)
    connection.close()
    return found


def differences(one: Path, other: Path) -> list[str]:
    """The differences of two catalogs, one per line; empty if they are equal."""
    left, right = dump(one), dump(other)
    lines = []
    for name in QUERIES:
        before, after = set(map(repr, left[name])), set(map(repr, right[name]))
        lines += [f"{name}: only in the first: {row[:300]}" for row in sorted(before - after)]
        lines += [f"{name}: only in the second: {row[:300]}" for row in sorted(after - before)]
        if not lines and len(left[name]) != len(right[name]):
            lines.append(f"{name}: {len(left[name])} rows and {len(right[name])}")
    return lines
