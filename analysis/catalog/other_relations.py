"""Tables and views in a catalog's database that the catalog did not make: a user's own views over it, for example."""

from __future__ import annotations

from typing import Any

from analysis.query.reader import CatalogReader
from db.schema.documentation import Meaning, Relation, describe_relations

ABOUT = "Not made by hf-catalog."

SQLITE_RELATIONS = """
    select name, type as kind from sqlite_master
    where type in ('table', 'view')
        and name not like 'sqlite!_%' escape '!' and name not like 'search!_index%' escape '!'
    order by name
"""

SQLITE_COLUMNS = "select name, lower(type) as type from pragma_table_info(:relation) order by cid"

POSTGRES_RELATIONS = """
    select table_name as name, case table_type when 'VIEW' then 'view' else 'table' end as kind
    from information_schema.tables where table_schema = current_schema() order by table_name
"""

POSTGRES_COLUMNS = """
    select column_name as name, data_type as type from information_schema.columns
    where table_schema = current_schema() and table_name = :relation order by ordinal_position
"""


def load_other_relations(reader: CatalogReader) -> list[Relation]:
    """Each with its columns and their types, by name; their meaning is unknown. Raises CatalogError."""
    ours = {"alembic_version", *(relation.name for relation in describe_relations())}
    on_sqlite = reader.dialect == "sqlite"
    relations = reader.all(SQLITE_RELATIONS if on_sqlite else POSTGRES_RELATIONS)
    columns = SQLITE_COLUMNS if on_sqlite else POSTGRES_COLUMNS
    return [_describe(reader, row, columns) for row in relations if row["name"] not in ours]


def _describe(reader: CatalogReader, relation: dict[str, Any], columns: str) -> Relation:
    found = reader.all(columns, {"relation": relation["name"]})
    return Relation(
        relation["name"], relation["kind"], ABOUT, {row["name"]: Meaning(row["type"] or "any", "") for row in found}
    )
