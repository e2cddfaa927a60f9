"""Pickles that name what they import and call nothing: inert, even where someone unpickles them.

Format: CPython's Lib/pickletools.py; zeros follow, as the tensors' data do in files of older PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence


def inert_pickle(imports: Sequence[str]) -> bytes:
    """A pickle of an empty dictionary. Each import is named by GLOBAL and dropped by POP; no REDUCE follows."""
    named = b"".join(b"c%s\n%s\n0" % tuple(part.encode() for part in name.rsplit(".", 1)) for name in imports)
    return b"\x80\x02" + named + b"}."
