"""What a quantization scheme costs in precision, accuracy, and bias and safety, as others measured and published it.

The figures and their sources are data (quality.toml). Where nobody measured, the answer says so: a scheme without a
row has no number, never its neighbour's.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Grade = Literal["none", "slight", "noticeable", "heavy", "broken"]
Cost = Literal["precision", "accuracy", "bias"]

PATH = Path(__file__).with_name("quality.toml")
NOT_MEASURED = "nobody measured"
FULL = {"F32", "F64"}
SAME_AS_WEIGHTS = {"BF16", "F16"}
SHARE_OF_LOSS = 0.46  # what quantization-aware training leaves of the loss (quality.toml, qat)

# Bounds of the mean KL divergence (nats) between words for people: Q8_0 and Q6_K lie under the first, Q4_K_M and
# Q4_K_S under the second, Q3_K_M under the third, Q2_K under the fourth.
GRADES: tuple[tuple[float, Grade], ...] = ((0.01, "none"), (0.05, "slight"), (0.15, "noticeable"), (0.5, "heavy"))
SENTENCES: Mapping[Grade, str] = {
    "none": "you will not tell it from the original",
    "slight": "rarely another word than the original's; what most people run",
    "noticeable": "visibly weaker at hard tasks: code, mathematics, long reasoning",
    "heavy": "often wrong where the original was right; a smaller model at 4 bits is usually better",
    "broken": "close to unusable; for experiments",
}


# Parts of names of datasets that measure bias and safety, and of metrics that measure precision.
SAFETY = (
    "truthful", "bbq", "crows", "toxi", "winogender", "winobias", "stereoset", "bold", "harmbench", "advbench",
    "donotanswer", "xstest", "safety", "jailbreak", "ethics", "bias",
)  # fmt: skip
PRECISION = ("perplexity", "ppl", "kld", "divergence")


def cost_of(dataset: str, metric: str) -> Cost:
    """Which of the three costs a published result is about, by the names of its dataset and metric."""
    what, how = (re.sub(r"[^a-z0-9]", "", text.lower()) for text in (dataset, metric))
    if any(word in how for word in PRECISION):
        return "precision"
    return "bias" if any(word in what for word in SAFETY) else "accuracy"


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures come from: who, when, on what."""

    id: str
    title: str
    url: str
    year: int
    measured: str
    reference_ppl: float | None = None


@dataclass(frozen=True, slots=True)
class QualityLoss:
    """What is published of one scheme. None is not measured; `imatrix`: the figures were made with such a matrix."""

    scheme: str
    source: Source
    delta_ppl: float | None = None  # perplexity added
    kld: float | None = None  # nats
    accuracy: tuple[float, float] | None = None  # percent of the original's score that is kept
    imatrix: bool = False
    note: str | None = None

    @property
    def percent(self) -> float | None:
        """The rise of perplexity in percent of the reference's."""
        if self.delta_ppl is None or not self.source.reference_ppl:
            return None
        return 100 * self.delta_ppl / self.source.reference_ppl

    @property
    def grade(self) -> Grade | None:
        """A word for it, by KL divergence; where only perplexity was measured, by its rise (half a percent a grade)."""
        if self.kld is not None:
            return next((grade for bound, grade in GRADES if self.kld < bound), "broken")
        if self.percent is not None:
            bounds: tuple[tuple[float, Grade], ...] = ((0.5, "none"), (5.0, "slight"), (12.0, "noticeable"))
            return next((grade for bound, grade in bounds if self.percent < bound), "heavy")
        return None

    @property
    def figures(self) -> str | None:
        """Every figure there is, for a sentence: `perplexity +2.8 %, KL divergence 0.0313`."""
        parts = [self.text] if self.percent is not None else []
        parts += [f"KL divergence {self.kld:.3g}"] if self.kld is not None else []
        parts += [f"{self.accuracy[0]:g} to {self.accuracy[1]:g} % of the score kept"] if self.accuracy else []
        return ", ".join(parts) or None

    @property
    def text(self) -> str:
        """In few words, for a table: `perplexity +2.8 %`."""
        if self.percent is not None:
            return f"perplexity +{self.percent:.2g} %" if self.percent < 10 else f"perplexity +{self.percent:.0f} %"
        return self.note or NOT_MEASURED


@cache
def table() -> Mapping[str, Any]:
    return tomllib.loads(PATH.read_text(encoding="utf-8"))


@cache
def sources() -> Mapping[str, Source]:
    """Every source of quality.toml by its id."""
    return {name: Source(id=name, **entry) for name, entry in table()["sources"].items()}


def quality_loss(quant: str | None, *, imatrix: bool = False) -> QualityLoss | None:
    """What is published of a canonical scheme, or None where nobody measured it.

    With `imatrix` the figures made with an importance matrix where there are any, else those without; schemes that
    can't be made without one (IQ2, IQ1) have only those.
    """
    if not quant:
        return None
    entry = table()["schemes"].get(quant.upper())
    if entry is None:
        return None
    plain = {key: entry[key] for key in ("delta_ppl", "kld", "accuracy", "note") if key in entry}
    with_matrix = entry.get("imatrix")
    chosen = {**plain, **with_matrix} if with_matrix and (imatrix or "kld" not in plain) else plain
    accuracy = chosen.pop("accuracy", None)
    return QualityLoss(
        scheme=quant.upper(),
        source=sources()[entry["source"]],
        accuracy=(accuracy[0], accuracy[1]) if accuracy else None,
        imatrix=bool(with_matrix) and (imatrix or "kld" not in plain),
        **chosen,
    )


def estimated_divergence(width: float) -> float:
    """The mean KL divergence (nats) to expect of so many bits a weight, where nobody measured the scheme.

    Two lines through the logarithms of llama.cpp's figures for Llama 3 8B (quality.toml), which bend at 3.5 bits.
    """
    slope = 1.33 if width >= 3.5 else 2.68
    return float(min(4.0, 2.0 ** (-2.85 - slope * (width - 3.5))))


def trained_for(qat: bool | None, bits: float | None) -> bool:
    """Whether quantization-aware training helps at this width. All known releases were trained for 4 bits (or, BitNet's
    line, for less than 2): what is quantized further than that has lost what the training won."""
    return bool(qat) and (bits is None or bits >= 4 or bits < 2)


def loss_text(quant: str | None, *, qat: bool = False, imatrix: bool = False, quantized: bool | None = True) -> str:
    """What is lost, in few words for a table; QAT is told apart, and what nobody measured is said to be so."""
    if quant in FULL or quant in SAME_AS_WEIGHTS or quantized is False:
        return "nothing"
    if qat:
        return "QAT: under half of " + (
            found.text if (found := quality_loss(quant)) and found.percent else "the usual loss"
        )
    found = quality_loss(quant, imatrix=imatrix)
    return found.text if found else NOT_MEASURED


def loss_sentence(quant: str | None, *, qat: bool = False, imatrix: bool = False) -> str:
    """What the loss means, plainly."""
    if quant in FULL or quant in SAME_AS_WEIGHTS:
        return "not quantized: nothing is lost"
    found = quality_loss(quant, imatrix=imatrix)
    grade = found.grade if found else None
    what = SENTENCES[grade] if grade else (found.note if found else None)
    if qat:
        less = f"trained to be quantized, which loses less ({table()['qat']['note']})"
        return f"{less}; without that training {quant} would be: {what}" if what else less
    return what or f"{quant or 'this scheme'}: nobody published figures that we know of"


def find_published(cost: Cost, bits: float | None) -> tuple[str, Source] | None:
    """What was found of accuracy, or of bias and safety, at a width in bits; None where nobody measured."""
    if bits is None or cost not in table()["costs"]:
        return None
    entries = sorted(table()["costs"][cost], key=lambda entry: -entry["bits"])
    for entry in entries:
        if bits >= entry["bits"]:
            return entry["finding"], sources()[entry["source"]]
    return None
