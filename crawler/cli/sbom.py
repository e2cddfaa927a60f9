"""`hf-catalog sbom`: a bill of materials of models, or of the model files on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from crawler.cli.complete import complete_target
from crawler.cli.identify import find_local, identify_all, print_problems, root_option
from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Printer, size_text

if TYPE_CHECKING:
    from analysis.local.roots import Root
    from analysis.publish.sbom.facts import BillFile, BillModel
    from analysis.query.reader import CatalogReader


@click.command()
@click.argument("targets", nargs=-1, metavar="[ID|PATH]...", shell_complete=complete_target)
@click.option("--local", is_flag=True, help="Of the model files of this machine: all stores, or the paths named.")
@root_option
@click.option(
    "--format", "form", type=click.Choice(["cyclonedx", "spdx"]), default="cyclonedx", show_default=True,
    help="CycloneDX ML-BOM, or SPDX 3.0.1 with its AI profile.",
)  # fmt: skip
@click.option(
    "--spec-version", type=click.Choice(["1.6", "1.7"]), default="1.6", show_default=True,
    help="Of CycloneDX; 1.7 adds where each value is from.",
)  # fmt: skip
@click.option(
    "--out", "path", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default="-", metavar="FILE",
    help="Where the document goes; default stdout.",
)  # fmt: skip
@db_option
@output_options(table=False)
def sbom(
    targets: tuple[str, ...],
    local: bool,
    roots: tuple[Root, ...],
    form: Literal["cyclonedx", "spdx"],
    spec_version: Literal["1.6", "1.7"],
    path: Path,
    db: str,
    out: Printer,
) -> None:
    """A bill of materials: models with files and hashes, licences, base models, data sets, findings of scanners.

    \b
    Examples:
      hf-catalog sbom google/gemma-3-4b-it-qat-q4_0-gguf
      hf-catalog sbom google/gemma-3-4b-it --format spdx --out bom.spdx.json
      hf-catalog sbom --local --spec-version 1.7 --out bom.cdx.json
    """
    from analysis.publish.sbom.facts import load_bill_model
    from analysis.query.reader import CatalogReader

    if not targets and not local:
        raise click.UsageError("no model: name an id, or --local", click.get_current_context())
    with CatalogReader(db) as reader:
        models: Sequence[BillModel]
        others: Sequence[BillFile]
        if local:
            models, others = load_local(reader, targets, roots, out)
        else:
            models, others = [load_bill_model(reader, target) for target in dict.fromkeys(targets)], []
    write_bill(build_document(models, others, form, spec_version), path, out)


def load_local(
    reader: CatalogReader, targets: Sequence[str], roots: Sequence[Root], out: Printer
) -> tuple[Sequence[BillModel], Sequence[BillFile]]:
    """The models and other files of the paths, or of all stores."""
    from analysis.local.scan import Scan
    from analysis.publish.sbom.local import load_local_models

    scan = Scan()
    artifacts = find_local(scan, [Path(target) for target in targets], roots)
    found = identify_all(reader, artifacts, no_hash=False, online=False, out=out)
    print_problems([*scan.problems, *found.problems], out)
    return load_local_models(reader, found.identities)


def build_document(
    models: Sequence[BillModel], others: Sequence[BillFile], form: str, spec_version: Literal["1.6", "1.7"]
) -> dict[str, Any]:
    from analysis.publish.sbom.cyclonedx import build_cyclonedx
    from analysis.publish.sbom.spdx import build_spdx

    program, at = installed_version("hf-catalog"), document_time()
    if form == "spdx":
        return build_spdx(models, program, at, others)
    return build_cyclonedx(models, spec_version, program, at, others)


def document_time() -> datetime:
    """Now, or SOURCE_DATE_EPOCH (reproducible-builds.org), so that equal content gives an equal document."""
    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(stated), UTC) if stated.isdigit() else datetime.now(UTC)


def write_bill(document: dict[str, Any], path: Path, out: Printer) -> None:
    from analysis.text import to_json
    from db.new_file import new_file

    text = f"{to_json(document, indent=2)}\n"
    if str(path) == "-":
        out.stdout.write(text)
        return
    with new_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
    if out.mode == "json":
        out.object({"file": str(path), "size": path.stat().st_size})
    elif out.quiet:
        out.line(str(path))
    else:
        out.message(f"{path}: {size_text(path.stat().st_size)}")
