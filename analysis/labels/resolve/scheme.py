"""Compares the claimed scheme with what was measured: another scheme, or bits per weight that it can't have."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.formats.formats import find_format
from analysis.labels.evidence.make import evidence_text, make_evidence, make_measured
from analysis.labels.resolve.claimed_measured import CLAIMED_BY, make_conflict
from analysis.labels.resolve.select import Best
from analysis.schemes.schemes import nominal_bits, usual_file_bits
from db.records import ConflictRecord, Header, LabelRecord

EXCLUSIVE_SCHEMES = frozenset((
    "GPTQ", "AWQ", "HQQ", "AQLM", "QUIP", "SPQR", "VPTQ", "EETQ", "QUANTO", "EXL2", "EXL3", "BNB-NF4", "BNB-INT8",
))  # fmt: skip
"""Schemes that exclude each other."""


def find_scheme_conflict(
    claimed: LabelRecord | None, pieces: list[LabelRecord], best: Best, header: Header | None
) -> ConflictRecord | None:
    """The conflict between the claimed scheme and what was measured, if there is one; chooses the label `quant`.

    What a name or a card claims stays the label, in conflict or not, for `quant_measured` is kept apart.
    """
    measured, width = best.get("quant_measured"), best.get("bits_per_weight")
    if measured and (claimed is None or claimed.source == "tag"):
        adopt_measured_scheme(measured, pieces, best)
    elif claimed:
        best["quant"] = claimed
    if claimed is None:
        return None
    bits = f"{float(width.value):.2f} bits per weight" if width else ""
    if header is not None and find_format(header.format).mixed_types:
        if can_hold_scheme(claimed.value, header):
            return None
        return make_conflict("quant", claimed, measured or make_measured("quant", bits, "tensors", "types"))
    if measured and not is_compatible(claimed, measured, pieces):
        return make_conflict("quant", claimed, measured)
    if width and is_out_of_range(claimed.value, float(width.value), best.get("parameters_measured")):
        return ConflictRecord("quant", claimed.value, claimed.source, bits, width.source)
    return None


def adopt_measured_scheme(measured: LabelRecord, pieces: list[LabelRecord], best: Best) -> None:
    """Takes the measured scheme for the label where none is claimed, and its bits where those were only claimed."""
    scheme = make_evidence("quant", measured.value, measured.source, measured.rule, measured.weight)
    pieces.append(scheme)
    best["quant"] = scheme
    bits = nominal_bits(measured.value)
    if bits is not None and ("bits" not in best or best["bits"].source in CLAIMED_BY):
        best["bits"] = make_evidence("bits", evidence_text(bits), measured.source, measured.rule, measured.weight)
        pieces.append(best["bits"])


def is_compatible(claimed: LabelRecord, measured: LabelRecord, pieces: Iterable[LabelRecord]) -> bool:
    """Whether a claimed scheme can be what config.json or the tensors' types show."""
    if claimed.value == measured.value:
        return True
    if claimed.value in EXCLUSIVE_SCHEMES and measured.value in EXCLUSIVE_SCHEMES:
        return False
    bits = next((float(e.value) for e in pieces if e.field == "bits" and e.source == claimed.source), None)
    one = bits if bits is not None else nominal_bits(claimed.value)
    other = next((float(e.value) for e in pieces if e.field == "bits" and e.source == measured.source), None)
    other = other if other is not None else nominal_bits(measured.value)
    return one is None or other is None or abs(one - other) < 1


def can_hold_scheme(scheme: str, header: Header) -> bool:
    """Whether a GGUF file's tensors can be of the scheme that its name claims.

    A scheme is a mix: Q4_K_M holds Q6_K too, and rows that do not divide by 256 fall back to other types. So there is a
    conflict only where no tensor has its nominal bits and the bits per weight are far from usual, or where they are too
    few.
    """
    if header.quant == scheme:  # the header's reader has compared the name with the layers' matrices
        return True
    usual, bits = usual_file_bits(scheme), header.bits_per_weight
    if usual is None or bits is None:
        return True
    if bits < 0.7 * usual:
        return False
    if bits <= 1.25 * usual or bits > 1.5 * usual:
        return bits <= 1.25 * usual
    whole = sum(header.types.values())
    width = int(nominal_bits(scheme) or 0)  # whole bits: an IQ1_M file holds IQ1_S too
    own = sum(elements for name, elements in header.types.items() if int(nominal_bits(name) or 0) == width)
    return bool(whole) and own >= 0.05 * whole


def is_out_of_range(scheme: str, bits: float, parameters: LabelRecord | None) -> bool:
    """Whether files of a scheme can't have these bits per weight. Small models keep large embeddings unquantized."""
    usual = usual_file_bits(scheme)
    small = parameters is not None and int(parameters.value) < 1_500_000_000
    if usual is not None:
        return bits < 0.7 * usual or bits > (2.8 if small else 1.6) * usual
    usual = nominal_bits(scheme)
    if usual is None:
        return bits > 15.5
    return bits < 0.75 * usual or (bits > 15.5 and usual < 12) or bits > (4 if small else 2.5) * usual + 2
