"""docs/formats.md, made from formats.toml and the registry of readers:
`python -m analysis.formats.documentation > docs/formats.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from analysis.formats.formats import FORMATS, Format
from analysis.formats.readers import READERS
from analysis.text import markdown_table

INTRODUCTION = """# File formats

<!-- Made by `python -m analysis.formats.documentation > docs/formats.md` from analysis/formats/formats.toml; do not
edit. -->

The values of the label `format`, and what the catalog knows of each. `analysis/formats/formats.toml` is the one table;
names, tags, artifacts, headers, signals of quantization and `fits` read it.

- **Files**: extensions; `.bin` belongs to pytorch unless the path says otherwise. "Tagged safetensors files": those
  of a repo whose tags, library or `quant_method` name the format.
- **Header**: *read* by `hf-catalog header` and by a crawl at `--depth headers`; *on request*: by `hf-catalog header`
  alone. Other files have a size and no more.
- **Quantized**: *only*: it holds nothing else; *either*: the scheme decides; *no*: full precision, unless a
  `quant_method` is named.

To add a format: its table in `formats.toml`; if its header can be read, a module that reads it, with one line in
`analysis/formats/readers.py`, and a real header under `tests/`.
"""
HEADINGS = ("format", "for", "files", "words in names and tags", "header", "quantized", "loaded by")


def write_document() -> str:
    """The whole document."""
    return f"{INTRODUCTION}\n{markdown_table(HEADINGS, map(_describe, FORMATS.values()))}"


def _describe(format_: Format) -> tuple[str, ...]:
    """The cells of a format's row."""
    return (
        format_.name,
        format_.about,
        _files(format_),
        ", ".join(format_.words),
        _header(format_),
        format_.quantized or "",
        ", ".join(format_.runtimes),
    )


def _header(format_: Format) -> str:
    reader = READERS.get(format_.container)
    return "" if reader is None else "read" if reader.crawled else "on request"


def _files(format_: Format) -> str:
    found = [*_code(f".{extension}" for extension in format_.extensions)]
    found += [f"some `.{extension}`" for extension in format_.shared_extensions]
    if format_.paired_extensions:
        found.append(" with ".join(_code(f".{extension}" for extension in format_.paired_extensions)))
    if format_.folder_file:
        found.append(f"folders with `{format_.folder_file}`")
    if format_.tagged_files:
        found.append(f"tagged {format_.stored_as} files" if format_.stored_as else "tagged files")
    return ", ".join(found)


def _code(words: Iterable[str]) -> list[str]:
    return [f"`{word}`" for word in words]


if __name__ == "__main__":
    sys.stdout.write(write_document())
