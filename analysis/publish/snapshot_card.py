"""The data set card of a snapshot: what it is, its columns with their meaning, how complete they are, how to use it.

The metadata block follows https://huggingface.co/docs/hub/datasets-cards: each table is a configuration of the viewer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.catalog.coverage import measure_coverage
from analysis.publish.manifest import LICENCE, LICENCE_NOTE
from analysis.query.reader import CatalogReader
from db.labels import LABELS
from db.schema.documentation import Relation, describe_relations
from db.schema.snapshot_format import TABLES_FOLDER

VIEW_SOURCES = {"models": "models", "artifacts": "artifacts_wide"}
"""View of a snapshot -> view of the catalog."""

ACCURACY = Path(__file__).with_name("label_accuracy.json")
"""Right, wrong and missed of each label, from docs/accuracy.md: `python -m bench.accuracy --write-published`."""

ABOUT = """# A catalog of the Hugging Face Hub

What models exist on the Hub, what they are, which are quantized and how, where each label comes from, and how downloads
and likes went. Made by hf-catalog. Values that names and cards claim and values that were measured in the headers of
files are separate columns. Unknown is null.
"""

USE = f"""## Use

```sql
-- DuckDB
select family, count(*) as repos from 'models/*.parquet' group by family order by repos desc limit 10;
select month, count(distinct repo) as repos
  from read_parquet('tables/metrics/*/*.parquet', hive_partitioning = true) group by month order by month;
```

```python
import pandas

models = pandas.read_parquet("models")
```

`hf-catalog db from-snapshot DIR` (or `hf://datasets/OWNER/NAME`) makes a working catalog of it, with search, lineage
and saved queries, from which a crawl continues.

## Licence and citation

{LICENCE_NOTE} Cite the data set by its name, its commit on the Hub, and `as_of` in `manifest.json`.

## What to know

- Names, tags and card metadata were written by the Hub's users and not reviewed. They may be wrong or hostile.
- Labels come from names where nothing better is known; `tables/evidence` and `tables/label_evidence` say from where.
- Private repos are left out; repos that vanished from the Hub have the status `gone`.
- Files are sorted and cut so that an update changes few pages: `manifest.json` lists them with their sha256.
"""


def make_card(reader: CatalogReader, manifest: Mapping[str, Any], known: Mapping[str, int]) -> str:
    """The text of README.md; `known` says how many models have each column."""
    return "\n".join([*front_matter(manifest), *body(reader, manifest, known)]).rstrip() + "\n"


def front_matter(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield "---"
    yield "pretty_name: A catalog of the Hugging Face Hub"
    yield "license: other"
    yield f"license_name: {LICENCE}"
    yield "tags: [hugging-face-hub, quantization, gguf, safetensors, model-cards, catalog]"
    yield "configs:"
    for name in manifest["views"]:
        yield f"- config_name: {name}"
        yield f"  data_files: {name}/*.parquet"
        if name == "models":
            yield "  default: true"
    for name, part in manifest["tables"].items():
        if part["rows"]:
            yield f"- config_name: table_{name}"
            yield f"  data_files: {TABLES_FOLDER}/{name}/**/*.parquet"
    yield "---"
    yield ""


def body(reader: CatalogReader, manifest: Mapping[str, Any], known: Mapping[str, int]) -> Iterator[str]:
    yield ABOUT
    yield f"As of {manifest['as_of'] or 'an unfinished crawl'}: {measure_coverage(reader).text}."
    yield ""
    yield "| files | rows | |"
    yield "|---|---|---|"
    relations = {relation.name: relation for relation in describe_relations()}
    for name, part in manifest["views"].items():
        yield f"| `{name}/` | {part['rows']:,} | {relations[VIEW_SOURCES[name]].about} |"
    for name, part in manifest["tables"].items():
        yield f"| `{TABLES_FOLDER}/{name}/` | {part['rows']:,} | {relations[name].about} |"
    yield ""
    yield USE
    yield from label_coverage(manifest["views"]["models"]["rows"], known)
    yield from label_accuracy()
    for name in manifest["views"]:
        yield from columns_of(name, relations[VIEW_SOURCES[name]], manifest["views"][name]["columns"])
    yield f"Columns of `{TABLES_FOLDER}`: `hf-catalog schema TABLE` explains them."


def label_coverage(models: int, known: Mapping[str, int]) -> Iterator[str]:
    """The share of models that have each label."""
    if not models:
        return
    names = [label.name for label in LABELS if label.kind not in ("list", "boolean")]
    yield "## How many models have a label"
    yield ""
    yield ", ".join(f"{name} {known[name] / models:.0%}" for name in names if known.get(name)) + "."
    yield ""


def label_accuracy() -> Iterator[str]:
    """How often names are read right, by label, as docs/accuracy.md says."""
    measured: dict[str, dict[str, list[int]]] = json.loads(ACCURACY.read_text(encoding="utf-8"))
    hand, stated = measured["hand"], measured["stated"]
    yield "## How right labels of names are"
    yield ""
    yield "Right / claimed, and wrong ones: `hand`, hard names of 2025 and 2026 that were read by hand; `stated`, names"
    yield "whose value a header or the publisher states. Values that were measured in headers of files are not claims;"
    yield "they stand in the columns with `_measured`."
    yield ""
    yield "| label | hand | wrong | stated | wrong |"
    yield "|---|---|---|---|---|"
    for name in sorted({*hand, *stated}):
        yield f"| {name} | {figures(hand.get(name))} | {figures(stated.get(name))} |"
    yield ""


def figures(counts: Sequence[int] | None) -> str:
    """Two cells: right / claimed, and how many were wrong."""
    if counts is None:
        return " | "
    right, wrong, missed = counts
    return f"{right:,} / {right + wrong + missed:,} | {wrong:,}"


def columns_of(name: str, relation: Relation, kinds: Mapping[str, str]) -> Iterator[str]:
    yield f"## Columns of {name}"
    yield ""
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column, kind in kinds.items():
        yield f"| {column} | {kind} | {relation.columns[column].text.replace('|', '/')} |"
    yield ""
