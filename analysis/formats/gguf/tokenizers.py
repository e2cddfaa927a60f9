"""The lengths of common tokenizers, so that the first header that has one is not fetched as a whole.

`tokenizers.tsv` is written by `python -m bench.tokenizers` from real headers: those of Llama 3, Gemma 3, Phi 3, GPT-2,
SmolLM2 and of BERT's vocabulary.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from db.records import ArrayLength


@cache
def shipped_lengths() -> tuple[ArrayLength, ...]:
    """The array lengths that every reader knows."""
    _, *lines = (files("analysis.formats.gguf") / "tokenizers.tsv").read_text("ascii").splitlines()
    rows = (line.split("\t") for line in lines)
    return tuple(ArrayLength(key, int(count), digest, int(length)) for key, count, digest, length in rows)
