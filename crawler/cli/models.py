"""`hf-catalog models`: list models, show one, draw its lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from crawler.cli.options import LAPTOP_RAM_BYTES, MODEL_SIZE, complete_scheme, db_option, output_options
from crawler.cli.printer import Column, Printer, cell_text, count_text, day_text, size_text

if TYPE_CHECKING:
    from analysis.catalog.compare import CostText
    from analysis.catalog.lineage import Node
    from analysis.catalog.models import ModelInfo
    from analysis.catalog.quantization_signals import Signal

SORTS = ["downloads", "likes", "trending", "created", "modified", "size", "parameters", "name", "first-seen"]
CONTEXT = 8192
SAYS = {True: "yes", False: "no", None: "unknown"}


@click.group()
def models() -> None:
    """List models, show one, draw its lineage."""


@models.command()
@click.option("--family", multiple=True, metavar="NAME", help="gemma, llama, qwen; repeatable; * for any text.")
@click.option(
    "--quant",
    multiple=True,
    shell_complete=complete_scheme,
    metavar="SCHEME",
    help="Q4_K_M, AWQ, 'IQ2*': of the repo or of one of its files.",
)
@click.option("--format", "formats", multiple=True, metavar="NAME", help="gguf, safetensors, mlx.")
@click.option("--author", multiple=True, metavar="NAME", help="The publisher.")
@click.option("--tuning", multiple=True, metavar="WORD", help="instruct, base, merge, abliterated; all that are given.")
@click.option("--license", "licenses", multiple=True, metavar="NAME", help="apache-2.0, gemma.")
@click.option("--task", multiple=True, metavar="NAME", help="The Hub's task: text-generation.")
@click.option("--min-size", type=MODEL_SIZE, metavar="SIZE", help="4B parameters; 3GB, 3GiB or 3e9 bytes of files.")
@click.option("--max-size", type=MODEL_SIZE, metavar="SIZE", help="As --min-size.")
@click.option("--quantized/--full-precision", default=None, help="Only quantized models, or only full-precision ones.")
@click.option("--qat/--no-qat", default=None, help="With or without quantization-aware training.")
@click.option("--gone", is_flag=True, help="Include models that have vanished from the Hub.")
@click.option("--sort", type=click.Choice(SORTS), default="downloads", show_default=True)
@click.option("--limit", type=click.IntRange(min=0), default=30, show_default=True, metavar="N", help="0 for all.")
@db_option
@output_options
def ls(
    family: tuple[str, ...],
    quant: tuple[str, ...],
    formats: tuple[str, ...],
    author: tuple[str, ...],
    tuning: tuple[str, ...],
    licenses: tuple[str, ...],
    task: tuple[str, ...],
    min_size: tuple[str, int] | None,
    max_size: tuple[str, int] | None,
    quantized: bool | None,
    qat: bool | None,
    gone: bool,
    sort: str,
    limit: int,
    db: str,
    out: Printer,
) -> None:
    """List models, most downloaded first.

    \b
    Examples:
      hf-catalog models ls --family gemma --quant Q4_0 --limit 10
      hf-catalog models ls --format gguf --min-size 7B --max-size 9B --sort likes
      hf-catalog models ls --author unsloth --json
    """
    from analysis.catalog.models import ModelFilter, list_models
    from analysis.query.reader import CatalogReader

    wanted = ModelFilter(
        families=family,
        quants=quant,
        formats=formats,
        authors=author,
        tunings=tuning,
        licenses=licenses,
        tasks=task,
        least=min_size,
        most=max_size,
        quantized=quantized,
        qat=qat,
        gone=gone,
    )
    with CatalogReader(db) as reader:
        out.rows(
            list_models(reader, wanted, sort=sort, limit=limit or None),
            LISTED,
            id_key="repo_id",
            empty="No model matches.",
        )


def parameters(row: Mapping[str, Any]) -> int | None:
    """As measured, else as claimed."""
    measured: int | None = row["parameters_measured"]
    claimed: int | None = row["parameters"]
    return claimed if measured is None else measured


def scheme_or_count(row: Mapping[str, Any]) -> str | None:
    """The scheme; of a repo with several the number of its artifacts, each a choice."""
    scheme: str | None = row["quant"]
    several = scheme is None and (row.get("artifact_count") or 0) > 1
    return f"{row['artifact_count']} files" if several else scheme


LISTED = (
    Column("repo_id", "repo", clip=False),
    Column("family"),
    Column("parameters", "size", text=count_text, right=True, clip=False, value=parameters),
    Column("quant", "quantization", value=scheme_or_count),
    Column("downloads", text=count_text, right=True, clip=False),
    Column("last_modified", "updated", text=day_text, clip=False),
)


@models.command()
@click.argument("repo_id", metavar="ID")
@db_option
@output_options(table=False)
def info(repo_id: str, db: str, out: Printer) -> None:
    """One model: what it is, claimed and measured values, files, lineage, history.

    \b
    Example:
      hf-catalog models info google/gemma-3-4b-it-qat-q4_0-gguf
    """
    from analysis.catalog.compare import assess_costs, load_deltas
    from analysis.catalog.geometries import GeometryLookup
    from analysis.catalog.models import load_info
    from analysis.catalog.quantization_signals import SignalInput, evaluate_signals
    from analysis.fit.memory import estimate_memory
    from analysis.query.reader import CatalogReader

    with CatalogReader(db) as reader:
        found = load_info(reader, repo_id)
        shapes = GeometryLookup(reader)
        costs = assess_costs(found.model, load_deltas(reader, found.model["repo_id"]))
        needs = {
            row["artifact"]: estimate_memory(
                row["total_size"], shapes.find(row), context=CONTEXT, parameters=row["parameters_measured"]
            ).total
            for row in found.artifacts
            if row["role"] == "weights" and row["total_size"]
        }
    if out.quiet:
        out.line(found.model["repo_id"])
        return
    verdicts = evaluate_signals(
        SignalInput.of_row(found.model, found.evidence, found.evaluations, found.base_evaluations)
    )
    whole = {
        **found.model,
        "artifacts": [{**row, "needs": needs.get(row["artifact"])} for row in found.artifacts],
        "signals": [asdict(signal) for signal in verdicts],
        "conflicts": found.conflicts,
        "evidence": found.evidence,
        "parents": found.parents,
        "relatives": found.relatives,
        "evaluations": found.evaluations,
        "costs": [asdict(cost) for cost in costs],
        "changes": found.changes,
        "skips": found.skips,
    }
    out.object(whole, human=lambda: show(found, needs, costs, verdicts, out))


def show(
    found: ModelInfo, needs: Mapping[str, int], costs: Sequence[CostText], signals: Sequence[Signal], out: Printer
) -> None:
    model = found.model
    out.heading(model["repo_id"])
    out.line(f"https://huggingface.co/{model['repo_id']}")
    out.line(what_it_is(model))
    out.line()
    claims_and_measurements(model, out)
    of_files = {row["field"] for row in found.conflicts if row["artifact"]}
    for row in found.conflicts:
        if not row["artifact"] and row["field"] in of_files:
            continue  # the repo's labels are rolled up from its artifacts': shown once
        where = f" of {row['artifact']}" if row["artifact"] else ""
        claim, found_out = f"{row['claimed_by']} says {row['claimed']}", f"{row['measured_by']} {row['measured']}"
        out.line(f"! {row['field']}{where}: {claim}, {found_out}")
    if signals:
        out.line()
        out.heading("Is it quantized?")
    for signal in signals:
        out.paragraph(f"{signal.name}: {SAYS[signal.verdict]}; {signal.reason}")
    show_artifacts(found, needs, out)
    show_rows(out, "Base models", found.parents, [Column("parent", clip=False), Column("relation"), Column("source")])
    show_rows(
        out,
        "The same weights by others",
        found.relatives,
        [
            Column("repo_id", "repo"),
            Column("format"),
            Column("quant", "quantization"),
            Column("total_size", "files", text=size_text, right=True),
            Column("downloads", text=count_text, right=True),
        ],
    )
    show_quality(costs, found.evaluations, out)
    show_rows(
        out,
        "History",
        found.changes,
        [
            Column("seen_at", "when", text=day_text),
            Column("kind"),
            Column("subject"),
            Column("before"),
            Column("after"),
        ],
    )
    show_rows(out, "Skipped", found.skips, [Column("reason"), Column("detail")])


def what_it_is(model: Mapping[str, Any]) -> str:
    """One sentence: family, publisher, task, licence, popularity."""
    family = " ".join(str(part) for part in (model["family"], model["version"], model["size"]) if part)
    tuned = ", ".join((model["tuning"] or []) + (model["specialty"] or []))
    parts = [
        f"{family or 'a model of unknown family'}{f' ({tuned})' if tuned else ''}",
        f"by {model['author']}" if model["author"] else None,
        model["pipeline_tag"],
        f"licence {model['license']}" if model["license"] else None,
        f"access on request ({model['gated']})" if model["gated"] else None,
        None if model["status"] in ("available", "gated") else f"now {model['status']}",
        f"{count_text(model['downloads'])} downloads per month" if model["downloads"] is not None else None,
        f"{count_text(model['likes'])} likes" if model["likes"] is not None else None,
        f"updated {day_text(model['last_modified'])}" if model["last_modified"] else None,
    ]
    return "; ".join(str(part) for part in parts if part)


def claims_and_measurements(model: Mapping[str, Any], out: Printer) -> None:
    """Two columns: claimed by names, cards and tags, and measured in files."""
    from analysis.schemes.quality import loss_text, trained_for

    count = f"{model['parameters']:,}" if model["parameters"] else ""
    measured = f"{model['parameters_measured']:,}" if model["parameters_measured"] else ""
    active, active_measured = model["active_parameters"], model["active_parameters_measured"]
    if active_measured == model["parameters_measured"]:
        active_measured = None  # all parameters are active: no mixture of experts
    bits = model["bits"]
    rows = [
        ("parameters", f"{'about ' if model['approximate'] and count else ''}{count}", measured),
        ("active parameters", f"{active:,}" if active else "", f"{active_measured:,}" if active_measured else ""),
        ("quantization", model["quant"], model["quant_measured"]),
        ("bits per weight", bits, round(model["bits_per_weight"], 2) if model["bits_per_weight"] else None),
        ("context", cell_count(model["context"]), cell_count(model["context_measured"])),
        ("architecture", None, model["architecture"]),
        ("format", model["format"], None),
        ("files", None, size_text(model["total_size"])),
    ]
    said = [{"": name, "claimed": claim, "measured": found} for name, claim, found in rows if claim or found]
    out.rows(said, ["", "claimed", "measured"])
    how = ", ".join(word for word in ("qat", "imatrix", "dynamic") if model[word])
    if model["quantized"]:
        qat = trained_for(model["qat"], bits)
        lost = loss_text(model["quant"], qat=qat, imatrix=bool(model["imatrix"]))
        out.line(f"quantized{f' ({how})' if how else ''}: {lost}")


def cell_count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else ""


def show_artifacts(found: ModelInfo, needs: Mapping[str, int], out: Printer) -> None:
    """The artifacts to download, smallest first, and whether each fits a 16 GB laptop."""
    from analysis.files.artifacts import LOADABLE_ROLES
    from analysis.fit.machines import Machine

    room = Machine(ram=LAPTOP_RAM_BYTES).ram_for_models
    rows = [
        {
            **row,
            "needs": needs.get(row["artifact"]),
            "fits": None if row["artifact"] not in needs else needs[row["artifact"]] <= room,
        }
        for row in found.artifacts
        if row["role"] in LOADABLE_ROLES
    ]
    show_rows(
        out,
        f"Files (memory needed at a context of {CONTEXT:,})",
        rows,
        [
            Column("artifact"),
            Column("role"),
            Column("quant", "quantization"),
            Column("bits_per_weight", "bits", text=lambda value: f"{value:.2f}" if value else "", right=True),
            Column("total_size", "size", text=size_text, right=True, clip=False),
            Column("needs", "memory needed", text=size_text, right=True, clip=False),
            Column("fits", "in 16 GB", clip=False),
        ],
    )


def show_quality(costs: Sequence[CostText], evaluations: Sequence[Mapping[str, Any]], out: Printer) -> None:
    """The cost of quantization: published figures of the scheme, and evaluations of both models' cards."""
    from analysis.catalog.compare import TITLES

    if costs:
        out.line()
        out.heading("Cost of quantization")
    for cost in costs:
        source = f" [{cost.source}]" if cost.source else ""
        out.paragraph(f"{TITLES[cost.cost]}: {'measured: ' if cost.measured else ''}{cost.text}{source}")
    show_rows(
        out,
        "Evaluations of its card",
        evaluations[:20],
        [Column("task"), Column("dataset"), Column("metric"), Column("value", text=lambda value: f"{value:g}")],
    )


def show_rows(out: Printer, title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column | str]) -> None:
    if rows:
        out.line()
        out.heading(title)
        out.rows(rows, columns)


@models.command()
@click.argument("repo_id", metavar="ID")
@db_option
@output_options
def tree(repo_id: str, db: str, out: Printer) -> None:
    """Draw the lineage of a model: its base models and what was made from them.

    \b
    Example:
      hf-catalog models tree google/gemma-3-4b-it
    """
    from analysis.catalog.lineage import load_tree, walk_tree
    from analysis.query.reader import CatalogReader

    with CatalogReader(db) as reader:
        root = load_tree(reader, repo_id)
    if out.mode == "human" and not out.quiet:
        draw(root, out, repo_id)
    elif out.mode == "json":
        out.object(nested(root))
    else:
        keys = ("repo_id", "relation", "depth", "missing", "quant", "downloads")
        out.rows([{key: getattr(node, key) for key in keys} for node in walk_tree(root)], id_key="repo_id")


def nested(node: Node) -> dict[str, Any]:
    return {
        "repo_id": node.repo_id,
        "relation": node.relation,
        "depth": node.depth,
        "missing": node.missing,
        "quant": node.quant,
        "downloads": node.downloads,
        "children": [nested(child) for child in node.children],
    }


def draw(node: Node, out: Printer, asked: str, before: str = "", branch: str = "", below: str = "") -> None:
    """The tree with lines, the requested model marked."""
    said = [node.relation or "", node.quant or "", f"{count_text(node.downloads)} downloads" if node.downloads else ""]
    if node.missing:
        said.append("not in the catalog")
    mark = "  <" if node.repo_id.lower() == asked.lower() else ""
    out.line(f"{before}{branch}{node.repo_id}  {cell_text(', '.join(word for word in said if word))}".rstrip() + mark)
    for at, child in enumerate(node.children):
        last = at == len(node.children) - 1
        draw(child, out, asked, before + below, "└── " if last else "├── ", "    " if last else "│   ")
