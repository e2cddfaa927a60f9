"""Output that the terminal's encoding can't show: characters that we draw with get a plain form, others an escape.

Windows consoles often use code page 1252, which has no box-drawing characters and no Chinese; writing them must not end
a command with an error.
"""

from __future__ import annotations

import codecs
import os
import sys
from io import TextIOWrapper

PLAIN = {"└": "`", "├": "|", "│": "|", "─": "-", "━": "-", "…": "...", "×": "x", "≤": "<=", "≥": ">=", "→": "->"}
"""Characters of our own output and what stands for them."""

HANDLER = "hf_catalog_plain"


def write_plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of codecs: the plain form of a character, else its escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    plain = (PLAIN.get(letter) or letter.encode("ascii", "backslashreplace").decode("ascii") for letter in text)
    return "".join(plain), error.end


def adapt_streams() -> None:
    """Makes standard output and errors take every character.

    A pipe or a file gets UTF-8 unless PYTHONIOENCODING says otherwise: programs that read it expect that.
    """
    codecs.register_error(HANDLER, write_plain)
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, TextIOWrapper) or codecs.lookup(stream.encoding).name == "utf-8":
            continue
        if stream.isatty() or "PYTHONIOENCODING" in os.environ:
            stream.reconfigure(errors=HANDLER)
        else:
            stream.reconfigure(encoding="utf-8")
