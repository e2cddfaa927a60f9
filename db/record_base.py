"""Type aliases that all records share, and fast pickling of records that go to another process.

Standard library alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal

Json = Mapping[str, Any]
"""A JSON object that came from outside: bounded in size and depth, its types still to be checked by the reader."""

RepoType = Literal["model", "dataset", "space"]
Depth = Literal["listing", "files", "headers"]
Gated = Literal["auto", "manual"]
Status = Literal["available", "gated", "private", "disabled", "gone"]
SkipReason = Literal[
    "gated", "private", "gone", "renamed", "disabled", "malformed", "too large", "unreadable", "failed"
]
Relation = Literal["finetune", "quantized", "adapter", "merge", "unknown"]
AccountKind = Literal["user", "organization"]
RepoKind = Literal["original", "finetune", "adapter", "merge", "quantized", "conversion"]
Source = Literal[
    "header", "tensors", "config", "api", "file", "card", "tag", "name", "owner", "size", "lineage", "fuzzy"
]
"""Where a piece of evidence comes from. `file` is a file's name, `name` the repo's, `owner` its publisher's."""
Role = Literal["weights", "mmproj", "adapter", "imatrix", "draft", "tokenizer", "config", "index", "card", "other"]


@lru_cache(maxsize=32)
def _values(kind: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(each.name for each in fields(kind)))


class FastPickle:
    """A record of two fields or more of which thousands go to another process.

    Pickled as its class and its values: the default for dataclasses with slots looks up the fields' names each time.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        kind: Any = type(self)
        return kind, _values(kind)(self)
