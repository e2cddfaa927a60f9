"""What `hf-catalog models info` prints of one model: one screen, or everything with `--all`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.catalog.compare import TITLES, CostText
from analysis.catalog.description import CONTEXT, Description, claims_and_measurements, what_it_is
from analysis.catalog.models import ModelInfo
from analysis.catalog.use_lines import lines_text
from analysis.files.artifacts import LOADABLE_ROLES
from analysis.schemes.quality import NOT_MEASURED, loss_text, trained_for
from crawler.cli.printer import Column, Printer, count_text, day_text, size_text

MAX_FILES = 8  # of the short form
MAX_CONFLICTS = 3
MAX_COPIES = 3
SAYS = {True: "yes", False: "no", None: "unknown"}


def show_short(found: Description, out: Printer) -> None:
    """One screen: what a user decides by."""
    show_head(found, out)
    show_conflicts(found.info, out, MAX_CONFLICTS)
    show_artifacts(found, out, MAX_FILES)
    show_revisions(found.info, out, MAX_FILES)
    show_lineage(found, out)
    show_cost_lines(found, out)
    show_use(found, out)
    out.message("Evidence, relatives, evaluations and history: --all")


def show_long(found: Description, out: Printer) -> None:
    """Everything that the catalog knows."""
    info = found.info
    show_head(found, out)
    show_conflicts(info, out, None)
    if found.signals:
        out.line()
        out.heading("Is it quantized?")
    for signal in found.signals:
        out.paragraph(f"{signal.name}: {SAYS[signal.verdict]}; {signal.reason}")
    show_artifacts(found, out, None)
    show_revisions(found.info, out, None)
    show_rows(out, "Base models", info.parents, [Column("parent", clip=False), Column("relation"), Column("source")])
    show_rows(
        out,
        "The same weights by others",
        info.relatives,
        [
            Column("repo_id", "repo"),
            Column("format"),
            Column("quant", "quantization"),
            Column("total_size", "files", text=size_text, right=True),
            Column("downloads", text=count_text, right=True),
        ],
    )
    show_quality(found.costs, info.evaluations, out)
    show_rows(
        out,
        "History",
        info.changes,
        [
            Column("seen_at", "when", text=day_text),
            Column("kind"),
            Column("subject"),
            Column("before"),
            Column("after"),
        ],
    )
    show_rows(out, "Skipped", info.skips, [Column("reason"), Column("detail")])
    show_use(found, out)


def show_head(found: Description, out: Printer) -> None:
    """What it is, and what is claimed and measured."""
    model = found.model
    out.heading(model["repo_id"])
    out.line(f"https://huggingface.co/{model['repo_id']}")
    out.paragraph(what_it_is({**model, "license": model["license"] or found.inherited.get("license")}))
    out.line()
    show_claims(model, out)
    shown = {name: value for name, value in found.inherited.items() if name not in ("license", "pipeline_tag")}
    if shown:
        values = (f"{label_text(name)} {inherited_text(value)}" for name, value in shown.items())
        out.paragraph(f"from its base model: {', '.join(values)}")


def show_use(found: Description, out: Printer) -> None:
    """The commands that run the best artifact for the machine, or the smallest one."""
    if found.use:
        out.line()
        out.heading(f"Run {found.chosen or found.model['repo_id']}")
        for line in lines_text(found.use, out.width and out.width - 2):
            out.line(f"  {line}")


def label_text(name: str) -> str:
    return name.removesuffix("_measured").replace("_", " ")


def inherited_text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else ", ".join(value) if isinstance(value, list) else str(value)


def show_conflicts(info: ModelInfo, out: Printer, most: int | None) -> None:
    """Claims that measurements contradict."""
    of_files = {row["field"] for row in info.conflicts if row["artifact"]}
    # The repo's labels are rolled up from its artifacts': shown once.
    rows = [row for row in info.conflicts if row["artifact"] or row["field"] not in of_files]
    for row in rows[:most]:
        where = f" of {row['artifact']}" if row["artifact"] else ""
        claim, found_out = f"{row['claimed_by']} says {row['claimed']}", f"{row['measured_by']} {row['measured']}"
        out.line(f"! {row['field']}{where}: {claim}, {found_out}")
    if most is not None and len(rows) > most:
        out.line(f"! and {len(rows) - most} more")


def show_revisions(info: ModelInfo, out: Printer, most: int | None) -> None:
    """Branches and tags with the quantization that their names claim, and the bytes of those whose files were read."""
    rows = [row for row in info.revisions if row["name"] != "main"]
    columns = [
        Column("name", "revision", clip=False),
        Column("kind"),
        Column("quant", "quantization"),
        Column("bits", right=True),
        Column("total_size", "files", text=size_text, right=True),
        Column("sha", text=lambda sha: (sha or "")[:12]),
    ]
    show_rows(out, "Branches and tags", rows[:most], columns)
    if most is not None and len(rows) > most:
        out.line(f"and {len(rows) - most} more: --all")


def show_lineage(found: Description, out: Printer) -> None:
    """What it was made from, and the most downloaded copies of the same weights."""
    info = found.info
    out.line()
    for row in info.parents[:1]:
        out.paragraph(f"Base model: {row['parent']} ({row['relation']})")
    copies = [
        f"{row['repo_id']} ({', '.join(filter(None, (row['quant'] or row['format'], size_text(row['total_size']))))})"
        for row in info.relatives[:MAX_COPIES]
    ]
    if copies:
        out.paragraph(f"The same weights by others: {'; '.join(copies)}")


def show_cost_lines(found: Description, out: Printer) -> None:
    """The three costs of quantization, a line each."""
    for cost in found.costs:
        out.paragraph(f"{TITLES[cost.cost]}: {'measured: ' if cost.measured else ''}{cost.text}")


def show_claims(model: Mapping[str, Any], out: Printer) -> None:
    """Two columns: claimed and measured."""
    said = [{"": name, "claimed": claim, "measured": found} for name, claim, found in claims_and_measurements(model)]
    out.rows(said, ["", "claimed", "measured"])
    how = ", ".join(word for word in ("qat", "imatrix", "dynamic") if model[word])
    if model["quantized"]:
        qat = trained_for(model["qat"], model["bits"])
        size = model["parameters_measured"] or model["parameters"]
        lost = loss_text(model["quant"], qat=qat, imatrix=bool(model["imatrix"]), parameters=size)
        figures = "no published figures for its scheme" if lost == NOT_MEASURED else lost
        out.line(f"quantized{f' ({how})' if how else ''}; quality loss: {figures}")


def show_artifacts(found: Description, out: Printer, most: int | None) -> None:
    """What to download, smallest first: whether it fits the machine, and which is best there."""
    rows = [
        {**row, "needs": found.needs.get(row["artifact"]), "fits": fits_text(found, row["artifact"])}
        for row in found.info.artifacts
        if row["role"] in LOADABLE_ROLES
    ]
    shown = rows if most is None or len(rows) <= most else choose_rows(rows, found.best, most)
    show_rows(
        out,
        f"Files (memory needed at a context of {CONTEXT:,}; best for {found.machine.describe()})",
        shown,
        [
            Column("artifact"),
            Column("quant", "quantization", value=scheme_and_role),
            Column("bits_per_weight", "bits", text=lambda value: f"{value:.2f}" if value else "", right=True),
            Column("total_size", "size", text=size_text, right=True, clip=False),
            Column("needs", "memory needed", text=size_text, right=True, clip=False),
            Column("fits", clip=False),
        ],
    )
    if len(shown) < len(rows):
        out.line(f"and {len(rows) - len(shown)} more files")


def scheme_and_role(row: Mapping[str, Any]) -> str:
    """The scheme; of a file that is no weights also what it is."""
    parts = (row["quant"], row["role"] if row["role"] != "weights" else None)
    return ", ".join(part for part in parts if part)


def fits_text(found: Description, artifact: str) -> str:
    if artifact == found.best:
        return "best"
    need = found.needs.get(artifact)
    return (
        "" if need is None else "yes" if need <= found.machine.ram_for_models + found.machine.vram_for_models else "no"
    )


def choose_rows(rows: Sequence[dict[str, Any]], best: str | None, most: int) -> list[dict[str, Any]]:
    """So many of the rows, evenly over all sizes, the best among them, in their order."""
    step = (len(rows) - 1) / (most - 1)
    kept = {round(at * step) for at in range(most)}
    kept |= {at for at, row in enumerate(rows) if row["artifact"] == best}
    return [rows[at] for at in sorted(kept)]


def show_quality(costs: Sequence[CostText], evaluations: Sequence[Mapping[str, Any]], out: Printer) -> None:
    """The cost of quantization: published figures of the scheme, and evaluations of both models' cards."""
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
