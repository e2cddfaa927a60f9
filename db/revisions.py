"""The revisions of the schema that this version of the program knows: the names of its migrations, in their order."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def known_revisions() -> tuple[str, ...]:
    """Every revision, oldest first, named as its file in db/migrations/versions is, which starts with digits."""
    names = (item.name for item in files("db.migrations.versions").iterdir())
    return tuple(sorted(name.removesuffix(".py") for name in names if name.endswith(".py") and name[0].isdigit()))


def head() -> str:
    """The newest revision: the one that this version of the program reads and writes."""
    return known_revisions()[-1]
