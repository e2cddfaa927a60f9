"""The claimed scheme against what was measured: another scheme, or bits a weight that it can't have."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.formats.formats import find_format
from analysis.labels.evidence.make import evidence_text, make_evidence, make_measured
from analysis.labels.resolve.claimed_measured import CLAIMED_BY, against
from analysis.labels.resolve.select import Best
from analysis.schemes.schemes import nominal_bits, usual_file_bits
from db.records import ConflictRecord, Header, LabelRecord

_RIVALS = frozenset((
    "GPTQ", "AWQ", "HQQ", "AQLM", "QUIP", "SPQR", "VPTQ", "EETQ", "QUANTO", "EXL2", "EXL3", "BNB-NF4", "BNB-INT8",
))  # fmt: skip
"""Schemes that exclude each other."""


def refuted_scheme(
    said_: LabelRecord | None, pieces: list[LabelRecord], best: Best, header: Header | None
) -> ConflictRecord | None:
    """The claimed scheme against what was measured: another scheme, or bits a weight that it can't have.

    What a name or a card claims stays the label `quant`, refuted or not, for `quant_measured` stands beside it.
    """
    counted, width = best.get("quant_measured"), best.get("bits_per_weight")
    if counted and (said_ is None or said_.source == "tag"):
        adopt(counted, pieces, best)
    elif said_:
        best["quant"] = said_
    if said_ is None:
        return None
    bits = f"{float(width.value):.2f} bits a weight" if width else ""
    if header is not None and find_format(header.format).mixed_types:
        if mix_agrees(said_.value, header):
            return None
        return against("quant", said_, counted or make_measured("quant", bits, "tensors", "types"))
    if counted and not compatible(said_, counted, pieces):
        return against("quant", said_, counted)
    if width and out_of_range(said_.value, float(width.value), best.get("parameters_measured")):
        return ConflictRecord("quant", said_.value, said_.source, bits, width.source)
    return None


def adopt(counted: LabelRecord, pieces: list[LabelRecord], best: Best) -> None:
    """The measured scheme is the answer where nobody claims one, and its bits, where only claims tell them."""
    scheme = make_evidence("quant", counted.value, counted.source, counted.rule, counted.weight)
    pieces.append(scheme)
    best["quant"] = scheme
    bits = nominal_bits(counted.value)
    if bits is not None and ("bits" not in best or best["bits"].source in CLAIMED_BY):
        best["bits"] = make_evidence("bits", evidence_text(bits), counted.source, counted.rule, counted.weight)
        pieces.append(best["bits"])


def compatible(said_: LabelRecord, counted: LabelRecord, pieces: Iterable[LabelRecord]) -> bool:
    """Whether a claimed scheme can be what config.json or the tensors' types show."""
    if said_.value == counted.value:
        return True
    if said_.value in _RIVALS and counted.value in _RIVALS:
        return False
    bits = next((float(e.value) for e in pieces if e.field == "bits" and e.source == said_.source), None)
    one = bits if bits is not None else nominal_bits(said_.value)
    other = next((float(e.value) for e in pieces if e.field == "bits" and e.source == counted.source), None)
    other = other if other is not None else nominal_bits(counted.value)
    return one is None or other is None or abs(one - other) < 1


def mix_agrees(scheme: str, header: Header) -> bool:
    """Whether a GGUF file's tensors can be what its name says.

    A scheme is a mix: Q4_K_M holds Q6_K too, and rows that do not divide by 256 fall back to other types. So it is
    refuted only where no tensor has its width and the bits a weight are far from usual, or where they are too few.
    """
    if header.quant == scheme:  # the reader has held the name against the layers' matrices
        return True
    usual, bits = usual_file_bits(scheme), header.bits_per_weight
    if usual is None or bits is None:
        return True
    if bits < 0.7 * usual:
        return False
    if bits <= 1.25 * usual or bits > 1.5 * usual:
        return bits <= 1.25 * usual
    whole = sum(header.types.values())
    width = nominal_bits(scheme)
    own = sum(n for kind, n in header.types.items() if nominal_bits(kind) == width)
    return bool(whole) and own >= 0.05 * whole


def out_of_range(scheme: str, bits: float, parameters: LabelRecord | None) -> bool:
    """Whether files can't have so many bits a weight under a scheme. Small models keep large embeddings as they are."""
    usual = usual_file_bits(scheme)
    small = parameters is not None and int(parameters.value) < 1_500_000_000
    if usual is not None:
        return bits < 0.7 * usual or bits > (2.8 if small else 1.6) * usual
    usual = nominal_bits(scheme)
    if usual is None:
        return bits > 15.5
    return bits < 0.75 * usual or (bits > 15.5 and usual < 12) or bits > (4 if small else 2.5) * usual + 2
