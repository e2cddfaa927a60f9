"""How the tables of `db.schema.tables` and their columns are declared."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, MetaData, Table
from sqlalchemy.types import TypeEngine

from db.schema.types import BigInt

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Type = TypeEngine[Any] | type[TypeEngine[Any]]


def column(name: str, kind: Type, comment: str, *args: Any, **kw: Any) -> Column[Any]:
    """A column that may be unknown; `must` says that it may not."""
    return Column(name, kind, *args, nullable=not kw.pop("must", False), comment=comment, **kw)


def key(name: str, kind: Type, comment: str, *args: Any) -> Column[Any]:
    return Column(name, kind, *args, primary_key=True, autoincrement=False, comment=comment)


def repo_key() -> Column[Any]:
    return key("repo", BigInt, "the repo's number in the catalog", ForeignKey("repos.id"))


def table(name: str, comment: str, *items: Any, linked: bool = False) -> Table:
    """STRICT on SQLite; `linked` tables are stored in the order of their key."""
    return Table(name, metadata, *items, comment=comment, sqlite_strict=True, sqlite_with_rowid=not linked)
