"""Is a model quantized? Four signals, each with a verdict and its reason, and their majority.

    size           bits per weight, from bytes and parameters
    documentation  what name, card, tags, config.json and header state
    framework      which programs load the format, and whether they load it only with quantized weights
    performance    published results compared with its base model's; speed by memory bandwidth

A verdict is True (quantized), False (full precision) or None (unknown). Which program loads what is data:
formats.toml by format and schemes.toml by method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.fit.memory import weight_bytes
from analysis.fit.speed import tokens_per_second
from analysis.formats.formats import find_format
from analysis.labels.evidence.sizes import MAX_QUANTIZED_BITS, MIN_FULL_PRECISION_BITS
from analysis.schemes.schemes import FULL_PRECISION, scheme_table
from analysis.units import size_text
from db.records import EvalRecord, Header, LabelRecord

SignalName = Literal["size", "documentation", "framework", "performance"]

LAPTOP_BANDWIDTH = 100e9  # bytes per second of a current laptop's memory
MAX_ROUNDING_DIFFERENCE = 0.002  # relative difference of results
MAX_QUANTIZATION_DIFFERENCE = 0.15  # relative difference of a quantized copy's results to its base's


@dataclass(frozen=True, slots=True)
class Signal:
    name: SignalName
    verdict: bool | None
    reason: str


@dataclass(frozen=True, slots=True)
class SignalInput:
    """The facts that the signals evaluate, of a repo, an artifact or a header. None and empty are unknown."""

    format: str | None = None
    quant: str | None = None
    quant_method: str | None = None
    bits_per_weight: float | None = None
    parameters: int | None = None
    active_parameters: int | None = None
    size: int | None = None  # bytes of the weights
    evidence: Sequence[LabelRecord] = ()
    evaluations: Sequence[EvalRecord] = ()
    base_evaluations: Sequence[EvalRecord] = ()
    copy: bool = False  # a quantized copy of its base, as declared

    @classmethod
    def of_header(cls, header: Header, evidence: Sequence[LabelRecord] = ()) -> SignalInput:
        from analysis.labels.evidence.headers import header_evidence  # here: it needs the vocabulary, rows do not

        return cls(
            format=header.format,
            quant=header.quant,
            quant_method=header.quant_method,
            bits_per_weight=header.bits_per_weight,
            parameters=header.parameters,
            active_parameters=header.active_parameters,
            size=header.size,
            evidence=evidence or header_evidence(header),
        )

    @classmethod
    def of_row(
        cls,
        row: Mapping[str, Any],
        evidence: Iterable[Mapping[str, Any]] = (),
        evaluations: Iterable[Mapping[str, Any]] = (),
        base_evaluations: Iterable[Mapping[str, Any]] = (),
    ) -> SignalInput:
        """Of a row of the views `models` or `artifacts_wide`, with rows of `labels` and `evaluations`.

        A repo's size counts only if it has one artifact: a repo of twenty quantized files has no bits per weight.
        """
        alone = "artifact" in row or row.get("artifact_count") == 1
        return cls(
            format=row.get("format"),
            quant=row.get("quant_measured") or row.get("quant"),
            quant_method=row.get("quant_method"),
            bits_per_weight=row.get("bits_per_weight"),
            parameters=row.get("parameters_measured") or row.get("parameters"),
            active_parameters=row.get("active_parameters_measured") or row.get("active_parameters"),
            size=row.get("total_size") if alone else None,
            evidence=tuple(
                LabelRecord(e["field"], e["value"], e["source"], e["rule"], e["weight"], bool(e["resolved"]))
                for e in evidence
            ),
            evaluations=tuple(result(e) for e in evaluations),
            base_evaluations=tuple(result(e) for e in base_evaluations),
            copy=row.get("base_model_relation") == "quantized",
        )


def result(row: Mapping[str, Any]) -> EvalRecord:
    return EvalRecord(row["task"], row["dataset"], row["metric"], row["value"], row.get("source", "card"))


def evaluate_signals(subject: SignalInput) -> tuple[Signal, Signal, Signal, Signal]:
    """The four signals: size, documentation, framework, performance."""
    return size_signal(subject), documentation_signal(subject), framework_signal(subject), performance_signal(subject)


def combine_signals(found: Iterable[Signal]) -> bool | None:
    """The majority of the known verdicts; None if they are even or all unknown."""
    verdicts = [signal.verdict for signal in found if signal.verdict is not None]
    quantized, full = verdicts.count(True), verdicts.count(False)
    return None if quantized == full else quantized > full


# ---- size -----------------------------------------------------------------------------------------------------------


def size_signal(subject: SignalInput) -> Signal:
    """Bits a weight: under 12 it is quantized, from 14 on it is not."""
    bits, how = subject.bits_per_weight, "counted in its tensors or from bytes and parameters"
    if bits is None and subject.size and subject.parameters:
        bits = subject.size * 8 / subject.parameters
        how = f"{size_text(subject.size)} for {subject.parameters:,} parameters"
    if bits is None:
        return Signal("size", None, "bytes or parameters are unknown")
    if bits < MAX_QUANTIZED_BITS:
        return Signal("size", True, f"{bits:.2f} bits per weight, full precision takes 16 or more ({how})")
    if bits >= MIN_FULL_PRECISION_BITS:
        return Signal("size", False, f"{bits:.2f} bits per weight ({how})")
    return Signal(
        "size", None, f"{bits:.2f} bits per weight: part of it is quantized, or parts are not counted ({how})"
    )


# ---- documentation --------------------------------------------------------------------------------------------------

_DOCUMENTS = frozenset(("name", "file", "card", "tag", "config", "header", "tensors", "api", "lineage"))
_READ = {
    "name": "its name", "file": "its file's name", "card": "its card", "tag": "its tags", "config": "config.json",
    "header": "its header", "tensors": "its tensors' types", "api": "the Hub's summary", "lineage": "its base model",
}  # fmt: skip


def documentation_signal(subject: SignalInput) -> Signal:
    """What names, cards, tags and configurations state: the strongest evidence decides, contradictions are named."""
    found = sorted(
        (e for e in subject.evidence if e.field == "quantized" and e.source in _DOCUMENTS),
        key=lambda e: (-e.weight, e.source, e.rule),
    )
    if not found:
        return Signal("documentation", None, "name, card, tags and config.json do not state it")
    first = found[0]
    agreeing = list(dict.fromkeys(_READ[e.source] for e in found if e.value == first.value))
    contradicting = list(dict.fromkeys(_READ[e.source] for e in found if e.value != first.value))
    scheme = f" ({subject.quant})" if subject.quant else ""
    word = "quantized" if first.value == "true" else "full precision"
    reason = f"{', '.join(agreeing)}: {word}{scheme}"
    return Signal(
        "documentation",
        first.value == "true",
        reason + (f"; but {', '.join(contradicting)} not" if contradicting else ""),
    )


# ---- framework ------------------------------------------------------------------------------------------------------


def runs_in(format: str | None, quant_method: str | None = None) -> tuple[str, ...]:  # noqa: A002
    """Programs that load a format and method, the most common first; empty if none is known."""
    known, method = find_format(format), scheme_table().methods.get(quant_method or "")
    if method is not None and (not known.runtimes or known.quantized == "no"):
        return method.runtimes
    return known.runtimes


def framework_signal(subject: SignalInput) -> Signal:
    """A quantization method means quantized weights; some formats hold nothing else."""
    known = find_format(subject.format)
    method = scheme_table().methods.get(subject.quant_method or "")
    programs = ", ".join(runs_in(subject.format, subject.quant_method)[:4])
    if not known.runtimes and method is None:
        return Signal("framework", None, f"no program is known for {subject.format or 'an unknown format'}")
    full = subject.quant in FULL_PRECISION
    if method is not None and not full:
        needs = f", with {method.requires}" if method.requires else ""
        return Signal("framework", True, f"{programs} load it as {subject.quant_method}{needs}")
    if known.quantized == "only":
        return Signal("framework", True, f"{programs} load it; {subject.format} holds only quantized weights")
    if known.quantized == "either":
        verdict = False if full else True if subject.quant else None
        suffix = f" as {subject.quant}" if subject.quant else "; it may hold either"
        return Signal("framework", verdict, f"{programs} load {subject.format}{suffix}")
    if subject.quant_method and not full:
        return Signal("framework", None, f"no program is known for the method {subject.quant_method}")
    return Signal("framework", False, f"{programs} load it unquantized: no quantization method is named")


# ---- performance ----------------------------------------------------------------------------------------------------


def performance_signal(subject: SignalInput) -> Signal:
    """Published results compared with the base model's, and the tokens per second that memory bandwidth allows.

    Quantization changes results slightly, mostly down. Equal results mean equal weights, distant ones other training.
    """
    speed = speed_sentence(subject)
    pairs = pair_results(subject.evaluations, subject.base_evaluations)
    if not pairs:
        why = "results of it and its base model are not both published"
        return Signal("performance", None, f"{why}{f'; {speed}' if speed else ''}")
    kept = sum(own / base for own, base in pairs) / len(pairs)
    furthest = max(abs(own / base - 1) for own, base in pairs)
    reason = f"{100 * kept:.1f} % of its base model's results on {len(pairs)} benchmarks{f'; {speed}' if speed else ''}"
    if furthest <= MAX_ROUNDING_DIFFERENCE:
        return Signal("performance", False, f"{reason}: equal up to rounding")
    if subject.copy and furthest <= MAX_QUANTIZATION_DIFFERENCE:
        return Signal("performance", True, f"{reason}: similar, but not equal")
    return Signal("performance", None, reason)


def pair_results(own: Sequence[EvalRecord], base: Sequence[EvalRecord]) -> list[tuple[float, float]]:
    """(own, base) results of the same benchmark and metric; the first where a card has several."""
    theirs: dict[tuple[str, str, str], float] = {}
    for each in base:
        theirs.setdefault(benchmark_key(each), each.value)
    seen: dict[tuple[str, str, str], float] = {}
    for each in own:
        seen.setdefault(benchmark_key(each), each.value)
    return [(value, theirs[key]) for key, value in seen.items() if theirs.get(key)]


def benchmark_key(each: EvalRecord) -> tuple[str, str, str]:
    return each.task.lower(), each.dataset.lower(), each.metric.lower()


def speed_sentence(subject: SignalInput) -> str:
    """Tokens per second at a laptop's memory bandwidth, and of the same model at 16 bits; empty if unknown."""
    if not subject.parameters or not (subject.size or subject.bits_per_weight):
        return ""
    weights = subject.size or weight_bytes(subject.parameters, subject.bits_per_weight or 16)
    share = min(1.0, (subject.active_parameters or subject.parameters) / subject.parameters)
    now = tokens_per_second(weights, LAPTOP_BANDWIDTH, active_share=share)
    then = tokens_per_second(weight_bytes(subject.parameters, 16), LAPTOP_BANDWIDTH, active_share=share)
    if now < 1.25 * then:
        return f"memory of 100 GB/s allows {now:.3g} tokens per second"
    return f"memory of 100 GB/s allows {now:.3g} tokens per second, {then:.3g} at 16 bits"
