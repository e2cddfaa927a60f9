"""`datapackage.json` of an export: every file with the type, unit and meaning of its columns.

By the Data Package standard (https://datapackage.org/standard/data-package/), which Frictionless, R and others read.
`unit` is not part of the standard, which allows further properties.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.publish.columns import Column
from analysis.publish.manifest import ExportedFile
from analysis.publish.table_files import ColumnKind, Format

DATA_PACKAGE = "datapackage.json"
TYPES: Mapping[ColumnKind, str] = {
    "text": "string", "integer": "integer", "number": "number", "boolean": "boolean", "list": "array",
    "time": "datetime", "date": "date",
}  # fmt: skip
MEDIA_TYPES: Mapping[Format, str] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def write_data_package(
    folder: Path, manifest: Mapping[str, Any], files: Sequence[ExportedFile], titles: Mapping[str, str]
) -> None:
    """Write the description of an export; `titles` say what a row of each table is."""
    package = describe_package(manifest, files, titles)
    text = json.dumps(package, indent=2, ensure_ascii=False)
    (folder / DATA_PACKAGE).write_text(text + "\n", encoding="utf-8")


def describe_package(
    manifest: Mapping[str, Any], files: Sequence[ExportedFile], titles: Mapping[str, str]
) -> dict[str, Any]:
    """The Data Package of an export with this manifest."""
    hubs = manifest["hubs"]
    package: dict[str, Any] = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "hf-catalog-export",
        "title": f"A catalog of {', '.join(hubs) or 'no Hub yet'}",
        "description": f"{manifest['coverage']['text']}. {manifest['licence']['note']}",
        "version": manifest["catalog_time"] or manifest["made_at"],
        "created": manifest["made_at"],
        "sources": [{"title": "Hub", "path": hub} for hub in hubs],
        "licenses": [{"name": manifest["licence"]["name"], "title": manifest["licence"]["note"]}],
        "resources": [describe_file(file, manifest["format"], titles) for file in files],
    }
    return package


def describe_file(file: ExportedFile, form: Format, titles: Mapping[str, str]) -> dict[str, Any]:
    """A file as a resource."""
    resource: dict[str, Any] = {
        "name": file.table,
        "path": file.name,
        "description": titles.get(file.table, ""),
        "format": form,
        "mediatype": MEDIA_TYPES[form],
        "bytes": file.size,
        "hash": f"sha256:{file.sha256}",
        "rows": file.rows,
        "type": "table",
    }
    if form in ("csv", "jsonl"):
        resource["encoding"] = "utf-8"
    if form == "xlsx":
        resource["dialect"] = {
            "sheetName": file.table,
            "excel": {"sheet": file.table},
        }  # the standard's, Frictionless's
    fields = [describe_column(column) for column in file.described]
    return resource | {"schema": {"fields": fields, "missingValues": [""]}}


def describe_column(column: Column) -> dict[str, Any]:
    """A column as a field."""
    found = {"name": column.name, "type": TYPES[column.kind], "description": column.meaning}
    return found if column.unit is None else {**found, "unit": column.unit}
