"""Whether a catalog is whole: its bytes, its schema, and rows that belong to each other. Nothing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from db import revisions
from db.derive.digest import evidence_key
from db.engine import catalog_name, open_engine, revision
from db.errors import CatalogDamaged, CatalogNewer
from db.maintain.definitions import find_other_definitions
from db.maintain.totals import find_wrong
from db.maintain.values import find_invalid_values
from db.rows import Rows
from db.schema.search_index import NO_INDEX, NO_INDEX_REMEDY, has_search_index
from db.schema.tables import metadata
from db.schema.views import view_sources


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `ok` None: it could not be looked at, `detail` says why."""

    check: str
    ok: bool | None
    detail: str


ORPHANS = {
    "evidence of artifacts that are no more": "select count(*) from label_evidence l where l.artifact <> 0"
    " and not exists (select 1 from artifacts a where a.id = l.artifact and a.repo = l.repo)",
    "evidence that is no more": "select count(*) from label_evidence l"
    " where not exists (select 1 from evidence e where e.id = l.evidence)",
    "conflicts of artifacts that are no more": "select count(*) from conflicts c where c.artifact <> 0"
    " and not exists (select 1 from artifacts a where a.id = c.artifact and a.repo = c.repo)",
    "models without labels": "select count(*) from repos r"
    " where r.type = 'model' and not exists (select 1 from repo_labels l where l.repo = r.id)",
    "visited repos without their files": "select count(*) from enrichments v join repos r on r.id = v.repo"
    " where v.depth is not null and r.file_count > 0"
    " and not exists (select 1 from repo_files f where f.repo = v.repo)",
    "repos that search can't find": "select count(*) from repos r"
    " where not exists (select 1 from search_documents d where d.repo = r.id)"
    " and not exists (select 1 from search_pending p where p.repo = r.id)",
    "walks whose crawl is no more": "select count(*) from cursors c"
    " where not exists (select 1 from crawl_runs r where r.id = c.run)",
}
"""What no row may be, each as the count of those that are."""


def check(db: str | Path) -> list[Finding]:
    """Every check in turn; a check that breaks off is a finding too. Raises CatalogMissing, CatalogNewer."""
    try:
        engine = open_engine(db, read_only=True, check=False)
    except CatalogDamaged as error:
        return [Finding("file", False, str(error))]
    try:
        found = [_guarded("schema", partial(_schema, engine))]
        if found[0].ok:
            for name, look in _looks(engine):
                found.append(_guarded(name, look))
            found.append(_informed("vocabulary", partial(_vocabulary, engine)))
            found.append(_informed("search index", partial(_search_index, engine)))
        return found
    finally:
        engine.dispose()


def _guarded(name: str, look: Callable[[], str | None]) -> Finding:
    """A look returns what is wrong, None where nothing is."""
    try:
        wrong = look()
    except DBAPIError as error:
        return Finding(name, False, str(error.orig).strip().split("\n", 1)[0])
    except CatalogDamaged as error:
        return Finding(name, False, str(error))
    return Finding(name, wrong is None, wrong or "")


def _informed(name: str, look: Callable[[], str]) -> Finding:
    """A look whose words are no fault, unless it can't look."""
    try:
        return Finding(name, True, look())
    except DBAPIError as error:
        return Finding(name, False, str(error.orig).strip().split("\n", 1)[0])


def _schema(engine: Engine) -> str | None:
    found = revision(engine)
    if found is None:
        return "it is a database, but not a catalog"
    if found not in revisions.known_revisions():
        raise CatalogNewer(catalog_name(engine), found, revisions.head())
    return (
        None if found == revisions.head() else f"{found}; this version needs {revisions.head()}: hf-catalog db upgrade"
    )


def _looks(engine: Engine) -> Iterator[tuple[str, Callable[[], str | None]]]:
    if engine.dialect.name == "sqlite":
        yield "bytes", partial(_integrity, engine)
        yield "foreign keys", partial(_foreign_keys, engine)
    yield "tables", partial(_tables, engine)
    if engine.dialect.name == "sqlite":
        yield "values", partial(_values, engine)
    yield "views", partial(_views, engine)
    yield "definitions", partial(find_other_definitions, engine)
    yield "evidence", partial(_evidence, engine)
    yield "totals", partial(_totals, engine)
    for name, sql in ORPHANS.items():
        yield name, partial(_none, engine, sql)


def _search_index(engine: Engine) -> str:
    with engine.connect() as connection:
        return "" if has_search_index(connection) else f"{NO_INDEX}; {NO_INDEX_REMEDY}"


def _integrity(engine: Engine) -> str | None:
    """Every page, every index entry, every constraint (https://sqlite.org/pragma.html#pragma_integrity_check)."""
    with engine.connect() as connection:
        rows = [row[0] for row in connection.exec_driver_sql("pragma integrity_check(5)")]
    return None if rows == ["ok"] else "; ".join(rows)


def _foreign_keys(engine: Engine) -> str | None:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("pragma foreign_key_check").fetchmany(1000)
    if not rows:
        return None
    more = " or more" if len(rows) == 1000 else ""
    return f"{len(rows)}{more} rows refer to rows that do not exist, the first in {rows[0].table}"


def _tables(engine: Engine) -> str | None:
    """Every table of this version is there, with its columns."""
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            connection.exec_driver_sql(f"select {columns} from {table.name} limit 1").all()
    return None


def _values(engine: Engine) -> str | None:
    """Every value is one that its column can hold."""
    with engine.connect() as connection:
        found = list(find_invalid_values(connection))
    return f"invalid: {', '.join(found)}" if found else None


def _views(engine: Engine) -> str | None:
    with engine.connect() as connection:
        present = _view_names(connection)
        wanted = [name for name, _ in view_sources()]
        missing = [name for name in wanted if name not in present]
        if missing:
            return f"missing: {', '.join(missing)}; hf-catalog db upgrade creates them again"
        for name in wanted:
            connection.exec_driver_sql(f"select * from {name} limit 0").all()
    return None


def _view_names(connection: Connection) -> set[str]:
    if connection.dialect.name == "sqlite":
        return {row[0] for row in connection.exec_driver_sql("select name from sqlite_master where type = 'view'")}
    sql = "select table_name from information_schema.views where table_schema = current_schema()"
    return {row[0] for row in connection.exec_driver_sql(sql)}


def _evidence(engine: Engine) -> str | None:
    """The digest that a piece of evidence is found by is the digest of what it says."""
    wrong = 0
    with engine.connect() as connection:
        sql = 'select "key", field, value, source, rule, weight from evidence'
        for key, field, value, source, rule, weight in connection.exec_driver_sql(sql):
            wrong += key != evidence_key((field, value, source, rule, weight))
    return f"{wrong} pieces are not what their digest says" if wrong else None


def _totals(engine: Engine) -> str | None:
    """The totals that writes kept are those of the rows that they count."""
    try:
        with engine.connect() as connection:
            wrong = list(find_wrong(Rows(connection)))
    except (ArithmeticError, RecursionError, TypeError, ValueError, sqlite3.Error) as error:
        # values that no column of this version can hold: their writer wrote no totals of them either
        return f"rows that can't be counted: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    return f"not what they count: {', '.join(wrong)}; hf-catalog db optimize counts them again" if wrong else None


def _vocabulary(engine: Engine) -> str:
    """How many labels are not of the newest vocabulary that made any here: work to do, nothing wrong."""
    current = "select id from vocabularies order by used_since desc, id desc limit 1"
    sql = f"select count(*) from repo_labels where vocabulary <> ({current})"
    with engine.connect() as connection:
        count = int(connection.exec_driver_sql(sql).scalar_one())
    return f"labels of {count} repos are of an earlier one: hf-catalog relabel" if count else ""


def _none(engine: Engine, sql: str) -> str | None:
    with engine.connect() as connection:
        count = int(Rows(connection).scalar(sql))
    return f"{count} rows" if count else None
