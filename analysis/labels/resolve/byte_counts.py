"""Claimed counts of parameters held against bytes: no count may contradict the files that it is of.

A number in a name can be read in several ways (`024b`, `llama38b`, a data set's `3B`). Where what a name claims can't
be true, the way that fits the bytes decides; a claim that no reading saves is a conflict.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.labels.evidence.make import WEIGHT, make_evidence
from analysis.labels.resolve.claimed_measured import strongest_claim
from analysis.labels.resolve.select import Best
from analysis.names import NameLabels
from analysis.names.size import find_counts
from analysis.schemes.schemes import is_full_precision, usual_file_bits
from analysis.units import count_text
from db.record_base import Source
from db.records import ArtifactRecord, ConflictRecord, Labelled, LabelRecord

MAX_BITS_RATIO = 2.5
"""Files of small models have up to 2.2 times the usual bits: their embeddings are not quantized (Q2_K of 0.5B)."""
MAX_NATIVE_RATIO = 4.0
"""Models trained at 4 bits stay so in files that are called F16 (gpt-oss)."""
MIN_BITS, MAX_BITS = 1.0, 34.0
"""Bits per weight where the scheme is unknown: from ternary weights to 32 bits."""
MAX_ROUNDING_RATIO = 2.0
"""How far names round where only the bytes are known: Gemma's `2b` has 2.5B parameters in 32 bits."""
MAX_SMALL_FILE_BYTES = 1_000_000_000
"""Most of a model this small may be embeddings at 16 bits: 63 % of Gemma 3 270M, half of BitNet's 0.6B."""
MAX_READING_RATIO = 1.5
"""How far a reading may be from the count that bytes and scheme give."""


@dataclass(frozen=True, slots=True)
class ByteCount:
    """Parameters that bytes allow: at least, at most, and where the scheme is known the likely number."""

    low: float
    high: float
    likely: float | None

    def allows(self, count: float) -> bool:
        return self.low <= count <= self.high


def count_by_bytes(size: int | None, scheme: str | None) -> ByteCount | None:
    """The parameters of a file of `size` bytes in a scheme; None where its size is unknown."""
    if not size:
        return None
    bits = usual_file_bits(scheme) if scheme else None
    if bits is None or scheme is None:
        return ByteCount(size * 8 / MAX_BITS / MAX_ROUNDING_RATIO, size * 8 / MIN_BITS, None)
    likely = size * 8 / bits
    more = MAX_NATIVE_RATIO if is_full_precision(scheme) else MAX_BITS_RATIO
    low = likely / MAX_BITS_RATIO
    return ByteCount(min(low, size * 8 / 16) if size < MAX_SMALL_FILE_BYTES else low, likely * more, likely)


_TENSOR_SCHEME = re.compile(r"(?:\A|[-_])(?:tok|out|emb|exp|shr|ssm|att?n|ffn)[-_](?=(?:16|32|8|b?f16|f32|i?q[0-9]))")


def count_artifact_by_bytes(artifact: ArtifactRecord, scheme: str | None) -> ByteCount | None:
    """The parameters of an artifact; a name that spells the schemes of single tensors states none of the whole file."""
    single = len(_TENSOR_SCHEME.findall(artifact.artifact.lower())) > 1
    return count_by_bytes(artifact.total_size, None if single else scheme)


def count_repo_by_bytes(artifacts: Iterable[tuple[ArtifactRecord, Labelled]]) -> ByteCount | None:
    """The parameters of a repo's model: at least its smallest artifact's, at most those of all parts together."""
    counts = [
        counted
        for artifact, labelled in artifacts
        if artifact.role == "weights"
        and artifact.primary
        and (counted := count_artifact_by_bytes(artifact, labelled.labels.quant)) is not None
    ]
    if not counts:
        return None
    likely = sorted(each.likely for each in counts if each.likely is not None)
    middle = likely[len(likely) // 2] if likely else None
    return ByteCount(min(each.low for each in counts), sum(each.high for each in counts), middle)


def reread_count(
    pieces: list[LabelRecord], best: Best, name: NameLabels | None, source: Source, counted: ByteCount | None
) -> bool:
    """Add the reading of a name's number that a measured count, or else the bytes, agree with; whether there is one.

    Only where the claim of this `source` can't be true, or where the name's number is so ambiguous that it claims none.
    """
    measured = best.get("parameters_measured")
    if measured is not None:
        count = int(measured.value)
        counted = ByteCount(count / 2, count * 2, count)
    if name is None or counted is None or not counted.likely:
        return False
    claim = strongest_claim(pieces, "parameters")
    if claim is None:
        if name.size is not None or name.active_parameters is not None or name.role not in (None, "weights"):
            return False
    elif claim.source != source or counted.allows(int(claim.value)):
        return False
    distances = {count: abs(math.log(count / counted.likely)) for count in find_counts(name.name)}
    reading = min(distances, key=distances.__getitem__, default=None)
    if reading is None or distances[reading] > math.log(MAX_READING_RATIO):
        return False
    weight, rule = WEIGHT[source] + 1, "the reading that agrees with the bytes"
    pieces.append(make_evidence("parameters", str(reading), source, rule, weight))
    pieces.append(make_evidence("size", count_text(reading), source, rule, weight))
    return True


def find_byte_conflict(claim: LabelRecord, counted: ByteCount) -> ConflictRecord | None:
    """The conflict of a claimed count of parameters that the bytes do not allow."""
    count = int(claim.value)
    if counted.allows(count):
        return None
    nearest = counted.likely or (counted.low if count < counted.low else counted.high)
    return ConflictRecord(claim.field, claim.value, claim.source, str(round(nearest)), "size")
