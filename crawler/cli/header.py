"""`hf-catalog header`: read the header of a model file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from analysis.untrusted import MAX_CONTEXT
from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Printer, count_text, size_text

if TYPE_CHECKING:
    from analysis.catalog.quantization_signals import Signal
    from analysis.fit.memory import Estimate
    from crawler.sources.huggingface.client import HubClient
    from crawler.targets import Target
    from db.records import ArrayLength, Header

BAR = 24  # characters of the longest bar
TYPES = 8  # bars at most
BLOCKS = " ▏▎▍▌▋▊▉█"
WIDE = 14  # of the names on the left


@click.command()
@click.argument("target", metavar="PATH | URL | REPO[::FILE]")
@click.option(
    "--context", type=click.IntRange(1, MAX_CONTEXT), metavar="TOKENS", help="Memory needed at this context, f16 cache."
)
@db_option
@output_options(table=False)
@click.pass_context
def header(ctx: click.Context, target: str, context: int | None, db: str, out: Printer) -> None:
    """Read the header of a model: a file here, behind a URL, or in a repo.

    GGUF, safetensors, PyTorch archives (without unpickling), ONNX, OpenVINO, LiteRT and NeMo.

    Tokenizers that the catalog knows, or that this command met before, are skipped, so that a header of megabytes costs
    kilobytes.

    \b
    Examples:
      hf-catalog header model-Q4_K_M.gguf
      hf-catalog header google/gemma-3-4b-it-qat-q4_0-gguf
      hf-catalog header unsloth/Qwen3-8B-GGUF::Qwen3-8B-Q4_K_M.gguf --json
      hf-catalog header model-Q4_K_M.gguf --context 32768
    """
    from crawler.cli.errors import NO, CommandError
    from crawler.cli.learned_lengths import keep_lengths, load_lengths
    from crawler.errors import RepoError
    from crawler.targets import resolve_target

    asked = ctx.get_parameter_source("db") is not ParameterSource.DEFAULT
    try:
        found = resolve_target(target, open_client)
        read, learned = found.read((*load_lengths(), *known_layouts(db, asked)))
    except RepoError as trouble:
        message = f"{target}: {trouble.reason}: {trouble.detail}"
        raise CommandError(message, HINTS.get(trouble.reason, CHECK_HINT), NO) from trouble
    keep_lengths(learned)
    signals = quantization_signals_of(found, read)
    if out.quiet and out.mode == "human":
        out.line(read.quant or "")
        return
    described = as_object(read, signals) | (memory_object(read, context) if context else {})
    out.object(described, human=lambda: show(found, read, signals, out, context))


CHECK_HINT = "check it on the Hub: its name or the format of its files may differ"
HINTS: Mapping[str, str] = {
    "gated": "request access on its page, then set HF_TOKEN",
    "private": "set HF_TOKEN to a token that may read it",
    "gone": "check its name with: hf-catalog search NAME",
}


def open_client(endpoint: str | None) -> HubClient:
    from crawler.sources.huggingface.client import HubClient

    return HubClient(endpoint)


def known_layouts(db: str, asked: bool) -> tuple[ArrayLength, ...]:
    """The array lengths that the catalog has learnt. Without a catalog none, unless one was named."""
    from pathlib import Path

    if not asked and not Path(db).exists():
        return ()
    from analysis.query.reader import CatalogReader
    from db.errors import CatalogError
    from db.records import ArrayLength

    try:
        with CatalogReader(db) as reader:
            rows = reader.all("select key, count, digest, length from header_layouts")
    except CatalogError:
        if asked:
            raise
        return ()
    return tuple(ArrayLength(row["key"], row["count"], row["digest"], row["length"]) for row in rows)


def quantization_signals_of(found: Target, read: Header) -> tuple[Signal, ...]:
    """The four quantization signals, from the header and the file's name."""
    from analysis.catalog.quantization_signals import SignalInput, evaluate_signals
    from analysis.labels.evidence.headers import header_evidence
    from analysis.labels.evidence.names import name_evidence, parse_name_or_none

    names = parse_name_or_none(found.artifact.artifact)
    evidence = (*header_evidence(read), *(name_evidence(names, "file") if names else ()))
    return evaluate_signals(SignalInput.of_header(read, evidence))


def as_object(read: Header, signals: Sequence[Signal]) -> dict[str, Any]:
    """The header as a JSON object."""
    keys = (
        "format", "version", "architecture", "parameters", "active_parameters", "tensor_count", "types", "quant",
        "bits_per_weight", "context", "size", "size_verified", "requests", "bytes_read",
    )  # fmt: skip
    from analysis.labels.evidence.stated import header_facts

    more = {
        **header_facts(read),
        "quant_method": read.quant_method,
        "quant_share": read.quant_share,
        "inferred": read.inferred,
        "content": read.content,
        "signals": {signal.name: {"quantized": signal.verdict, "reason": signal.reason} for signal in signals},
    }
    return {key: getattr(read, key) for key in keys} | {"facts": {**read.facts, **more}}


def memory_object(read: Header, context: int) -> dict[str, Any]:
    """Bytes of the cache and of everything at this context; None with the reason where they can't be computed."""
    from analysis.fit.layers import UnknownGeometry

    try:
        need = estimate_need(read, context)
    except UnknownGeometry as unknown:
        return {"kv_cache_bytes": None, "memory_bytes": None, "memory_unknown": unknown.reason}
    return {"kv_cache_bytes": need.cache, "memory_bytes": need.total if read.size else None}


def estimate_need(read: Header, context: int) -> Estimate:
    """The memory needed at this context. Raises UnknownGeometry."""
    from analysis.fit.geometry import build_geometry
    from analysis.fit.layers import UnknownGeometry
    from analysis.fit.memory import estimate_memory

    if (role := read.facts.get("role")) not in (None, "weights"):
        raise UnknownGeometry(f"the file is no model but its {role}")
    shape = build_geometry(read.facts.get("geometry") or {}, read.architecture)
    return estimate_memory(read.size or 0, shape, context=context, parameters=read.parameters)


# ---- human-readable -------------------------------------------------------------------------------------------------


def show(found: Target, read: Header, signals: Sequence[Signal], out: Printer, context: int | None = None) -> None:
    out.heading(found.artifact.artifact)
    for name, text in lines(read, found.artifact.total_size, context):
        if text:
            out.line(f"  {name.ljust(WIDE)}  {text}")
    out.line()
    for at, text in enumerate(bars(read.types)):
        out.line(f"  {('tensor types' if at == 0 else '').ljust(WIDE)}  {text}")
    out.line()
    from analysis.catalog.quantization_signals import combine_signals

    out.line(f"  is it quantized?  {yes_no_unknown(combine_signals(signals))}")
    for signal in signals:
        out.line(f"    {signal.name.ljust(13)}  {yes_no_unknown(signal.verdict).ljust(7)}  {signal.reason}")
    out.line()
    out.line(f"  {'read'.ljust(WIDE)}  {cost_text(found, read)}")
    if found.others:
        others = ", ".join(found.others[:6]) + (" ..." if len(found.others) > 6 else "")
        out.message(f"It has {len(found.others)} more; name one after ::\n  {others}")


def cost_text(found: Target, read: Header) -> str:
    """The requests and bytes that reading took; for a remote file also those of finding it."""
    own = f"{plural(read.requests, 'request')}, {size_text(read.bytes_read)}"
    if found.hub is None:
        return own.replace("request", "piece")
    counters = found.hub.counters
    requests = counters.api_requests + counters.resolver_requests + counters.cdn_requests
    return f"{own} of the file; {plural(requests, 'request')}, {size_text(counters.bytes_read)} in all"


def lines(read: Header, held: int | None, context: int | None = None) -> list[tuple[str, str]]:
    """One line per fact; empty where it is unknown."""
    facts = read.facts
    made = facts.get("quantized_by")
    return [
        ("what", " ".join(str(part) for part in (facts.get("name"), role_text(facts)) if part)),
        ("format", f"{read.format}{f' version {read.version}' if read.version else ''}"),
        ("architecture", read.architecture or ""),
        ("parameters", parameters_text(read)),
        ("active", active_text(read)),
        ("quantization", scheme_text(read)),
        ("bits per weight", f"{read.bits_per_weight:.2f}" if read.bits_per_weight else ""),
        ("size", size_line(read, held)),
        ("context", f"{read.context:,} tokens" if read.context else ""),
        ("memory", memory_text(read, context)),
        ("tokenizer", tokenizer_text(facts.get("tokenizer") or {})),
        ("base model", ", ".join(base_text(base) for base in facts.get("base_models") or ())),
        ("quantizer", str(made) if made else imatrix_text(facts.get("imatrix") or {})),
        ("license", str(facts.get("license") or "")),
    ]


def role_text(facts: Mapping[str, Any]) -> str:
    role = facts.get("role")
    return f"({role})" if role and role != "weights" else ""


def parameters_text(read: Header) -> str:
    if read.parameters is None:
        return "unknown" if read.tensor_count else "none: no tensors"
    how = ", taken from its base model" if read.inferred else f" in {plural(read.tensor_count, 'tensor')}"
    split = read.facts.get("split") or {}
    part = "" if split.get("complete", True) else f"; {split['files']} of {split['count']} files, so not all of it"
    return f"{count_with_digits(read.parameters)}{how}{part}"


def active_text(read: Header) -> str:
    if read.active_parameters is None:
        return "unknown" if read.facts.get("experts") else ""
    if read.active_parameters == read.parameters:
        return "all of them"
    experts = read.facts.get("experts") or {}
    rule = f": {experts['used']} of {experts['count']} experts a token" if experts.get("used") else ""
    return f"{count_with_digits(read.active_parameters)}{rule}"


def count_with_digits(count: int) -> str:
    """A count in short, and to the last digit: `268M (268,098,176)`."""
    short = count_text(count)
    return f"{short} ({count:,})" if short != f"{count:,}" else short


def scheme_text(read: Header) -> str:
    if read.quant is None:
        return "unknown"
    share = f", which holds {100 * read.quant_share:.0f} % of the parameters" if read.quant_share is not None else ""
    said = read.facts.get("file_scheme")
    other = f"; the header says {said}" if said and said != read.quant else ""
    return f"{read.quant}{share}{other}"


def size_line(read: Header, held: int | None) -> str:
    """The size that the header implies, and whether its files have it."""
    if read.size is None:
        return ""
    text = f"{size_text(read.size)} ({read.size:,} bytes)"
    if read.size_verified is False and held is not None:
        lack = read.size - held
        return f"{text}, but {size_text(abs(lack))} {'are missing: the file is incomplete' if lack > 0 else 'too many'}"
    return text + (", which its files have" if read.size_verified else "")


def memory_text(read: Header, context: int | None = None) -> str:
    """The memory that it needs at a context, by default 8,192 tokens; why it is unknown, if a context was asked for."""
    from analysis.fit.layers import UnknownGeometry

    tokens = context or min(8192, read.context or 8192)
    try:
        need = estimate_need(read, tokens)
    except UnknownGeometry as unknown:
        return f"unknown: {unknown.reason}" if context else ""
    cache = size_text(need.cache)
    if not read.size:
        return f"{cache} at {tokens:,} tokens for the cache" if context else ""
    return f"{size_text(need.total)} at {tokens:,} tokens, {cache} of it for the cache"


def tokenizer_text(tokenizer: Mapping[str, Any]) -> str:
    kind = " ".join(str(tokenizer[key]) for key in ("model", "pre") if tokenizer.get(key))
    count = f"{tokenizer['tokens']:,} tokens" if tokenizer.get("tokens") else ""
    return ", ".join(part for part in (kind, count) if part)


def base_text(base: Mapping[str, Any]) -> str:
    return str(base.get("repo") or " ".join(str(base[key]) for key in ("organization", "name") if base.get(key)))


def imatrix_text(imatrix: Mapping[str, Any]) -> str:
    return f"unknown; with an importance matrix over {imatrix.get('dataset') or 'some text'}" if imatrix else ""


def bars(types: Mapping[str, int]) -> list[str]:
    """One bar per tensor type, by elements."""
    total = sum(types.values())
    if not total:
        return ["none"]
    shown = sorted(types.items(), key=lambda item: -item[1])
    if len(shown) > TYPES:
        rest = shown[TYPES - 1 :]
        shown = [*shown[: TYPES - 1], (f"{len(rest)} others", sum(count for _, count in rest))]
    wide, most = max(len(name) for name, _ in shown), shown[0][1]
    return [
        f"{name.ljust(wide)}  {bar(count / most).ljust(BAR)}  {percent(count / total).rjust(6)}  {count_text(count)}"
        for name, count in shown
    ]


def bar(share: float) -> str:
    eighths = max(1, round(8 * BAR * share)) if share > 0 else 0
    return BLOCKS[8] * (eighths // 8) + (BLOCKS[eighths % 8] if eighths % 8 else "")


def percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "<0.1 %"


def yes_no_unknown(verdict: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[verdict]


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
