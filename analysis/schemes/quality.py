"""What a quantization scheme loses in precision, accuracy, and bias and safety, as others measured and published it.

The figures and their sources are data (schemes.toml). A scheme without published figures has none here either, never
those of a similar scheme.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from analysis.schemes.schemes import Source, find_scheme, is_full_precision, scheme_table

Grade = Literal["none", "slight", "noticeable", "heavy", "broken"]
Cost = Literal["precision", "accuracy", "bias"]

NOT_MEASURED = "not measured"

# Upper bounds of the mean KL divergence (nats) of each grade: Q8_0 and Q6_K lie under the first, Q4_K_M and
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
    """Which of the three losses a published result is about, by the names of its dataset and metric."""
    what, how = (re.sub(r"[^a-z0-9]", "", text.lower()) for text in (dataset, metric))
    if any(word in how for word in PRECISION):
        return "precision"
    return "bias" if any(word in what for word in SAFETY) else "accuracy"


@dataclass(frozen=True, slots=True)
class QualityLoss:
    """What is published of one scheme. None is not measured; `imatrix`: measured on files made with such a matrix."""

    scheme: str
    source: Source
    perplexity_added: float | None = None
    kl_divergence: float | None = None  # nats
    accuracy_kept: tuple[float, float] | None = None  # percent of the original's score, lowest and highest
    imatrix: bool = False
    note: str | None = None

    @property
    def percent(self) -> float | None:
        """The rise of perplexity in percent of the reference's."""
        if self.perplexity_added is None or not self.source.reference_perplexity:
            return None
        return 100 * self.perplexity_added / self.source.reference_perplexity

    @property
    def grade(self) -> Grade | None:
        """A word for it, by KL divergence; where only perplexity was measured, by its rise (half a percent a grade)."""
        if self.kl_divergence is not None:
            return grade_divergence(self.kl_divergence)
        if self.percent is not None:
            bounds: tuple[tuple[float, Grade], ...] = ((0.5, "none"), (5.0, "slight"), (12.0, "noticeable"))
            return next((grade for bound, grade in bounds if self.percent < bound), "heavy")
        return None

    @property
    def figures(self) -> str | None:
        """Every figure there is, for a sentence: `perplexity +2.8 %, KL divergence 0.0313`."""
        parts = [self.text] if self.percent is not None else []
        parts += [f"KL divergence {self.kl_divergence:.3g}"] if self.kl_divergence is not None else []
        parts += (
            [f"{self.accuracy_kept[0]:g} to {self.accuracy_kept[1]:g} % of the score kept"]
            if self.accuracy_kept
            else []
        )
        return ", ".join(parts) or None

    @property
    def text(self) -> str:
        """In few words, for a table: `perplexity +2.8 %`."""
        if self.percent is not None:
            return f"perplexity +{self.percent:.2g} %" if self.percent < 10 else f"perplexity +{self.percent:.0f} %"
        if self.kl_divergence is not None:
            return f"KL divergence {self.kl_divergence:.2g}"
        return self.note or NOT_MEASURED


def quality_loss(quant: str | None, *, imatrix: bool = False, parameters: float | None = None) -> QualityLoss | None:
    """What is published of a canonical scheme, or None where nothing is.

    For a model of other `parameters` than those that llama.cpp's figures were measured on (8B) it is the divergence of
    its class of sizes, without a perplexity.

    With `imatrix` the figures of files made with an importance matrix where there are any, else those without; schemes
    that can't be made without one (IQ2, IQ1) have only those.
    """
    scheme = scheme_table().schemes.get((quant or "").upper())
    if scheme is None or scheme.quality is None:
        return None
    if parameters is not None and scheme.quantized and scheme_table().divergence.class_of(parameters):
        sized = expected_divergence(quant, parameters=parameters, imatrix=imatrix)
        if sized is not None and sized.basis != "estimated":
            return QualityLoss(scheme.name, sized.source, kl_divergence=sized.value, note=scheme.quality.note)
    plain, matrix = scheme.quality, scheme.quality.imatrix
    chosen = matrix if matrix is not None and (imatrix or plain.kl_divergence is None) else plain
    return QualityLoss(
        scheme=scheme.name,
        source=plain.source,
        perplexity_added=chosen.perplexity_added,
        kl_divergence=chosen.kl_divergence,
        accuracy_kept=plain.accuracy_kept,
        imatrix=chosen is matrix,
        note=plain.note,
    )


Basis = Literal["measured", "scaled", "estimated"]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The mean KL divergence (nats) to expect of a scheme on models of one size.

    `basis`: "measured" on models of that size; "scaled", measured on an 8B model and scaled by what the scheme's main
    tensor type loses on both sizes; "estimated" from bits per weight.
    """

    value: float
    basis: Basis
    source: Source

    @property
    def grade(self) -> Grade:
        return grade_divergence(self.value)


def grade_divergence(value: float) -> Grade:
    """The word for a mean KL divergence in nats."""
    return next((grade for bound, grade in GRADES if value < bound), "broken")


def expected_divergence(
    quant: str | None, *, parameters: float | None = None, bits: float | None = None, imatrix: bool = False
) -> Divergence | None:
    """The divergence to expect of a scheme on a model of so many parameters (None: 8B).

    `bits` per weight, for schemes without measurements; None where neither is known. Full precision loses nothing.
    """
    table = scheme_table()
    scheme = find_scheme((quant or "").upper())
    source = table.divergence.source
    if scheme is not None and not scheme.quantized:
        return Divergence(0.0, "measured", source)
    at = table.divergence.class_of(parameters or 8e9)
    if scheme is not None and scheme.divergence and scheme.name in table.schemes:
        return Divergence(scheme.divergence[at], "measured", source)
    published = quality_loss(quant, imatrix=imatrix)
    main = scheme_table().schemes.get(scheme.tensor_types[0]) if scheme and scheme.tensor_types else None
    if published is not None and published.kl_divergence is not None:
        if main is None or not main.divergence:
            return Divergence(published.kl_divergence, "scaled" if at else "measured", published.source)
        of_main = quality_loss(main.name, imatrix=True)
        base = of_main.kl_divergence if of_main and of_main.kl_divergence else main.divergence[0]
        return Divergence(published.kl_divergence * main.divergence[at] / base, "scaled", source)
    width = bits or (scheme.estimated_bits if scheme else None)
    if width is None:
        return None
    nearest = min(
        (each for each in table.schemes.values() if each.divergence and each.block_bits),
        key=lambda each: abs((each.block_bits or 0.0) - width),
    )
    return Divergence(estimated_divergence(width) * nearest.divergence[at] / nearest.divergence[0], "estimated", source)


def qat_share_of_loss() -> float:
    """What quantization-aware training leaves of the loss: a share from 0 to 1."""
    return scheme_table().qat.share_of_loss


def estimated_divergence(width: float) -> float:
    """The mean KL divergence (nats) to expect at these bits per weight, for schemes without published figures.

    Two lines through the logarithms of llama.cpp's figures for Llama 3 8B (schemes.toml), which bend at 3.5 bits.
    """
    slope = 1.33 if width >= 3.5 else 2.68
    return float(min(4.0, 2.0 ** (-2.85 - slope * (width - 3.5))))


def trained_for(qat: bool | None, bits: float | None) -> bool:
    """Whether quantization-aware training helps at this width. All known releases were trained for 4 bits (BitNet's for
    less than 2): what is quantized further than that has lost the gain of the training."""
    return bool(qat) and (bits is None or bits >= 4 or bits < 2)


def loss_text(
    quant: str | None,
    *,
    qat: bool = False,
    imatrix: bool = False,
    quantized: bool | None = True,
    parameters: float | None = None,
) -> str:
    """The loss in few words, for a table; QAT has its own, and a loss that was not measured says so."""
    if quantized is False or (quant and is_full_precision(quant)):
        return "nothing"
    if qat:
        return "QAT: under half of " + (
            found.text
            if (found := quality_loss(quant, parameters=parameters)) and found.text != NOT_MEASURED
            else "the usual loss"
        )
    found = quality_loss(quant, imatrix=imatrix, parameters=parameters)
    return found.text if found else NOT_MEASURED


def loss_sentence(
    quant: str | None, *, qat: bool = False, imatrix: bool = False, parameters: float | None = None
) -> str:
    """The loss as a sentence, for a model of so many parameters (None: 8B)."""
    if quant and is_full_precision(quant):
        return "not quantized: nothing is lost"
    found = quality_loss(quant, imatrix=imatrix, parameters=parameters)
    grade = found.grade if found else None
    what = SENTENCES[grade] if grade else (found.note if found else None)
    if qat:
        less = f"trained to be quantized, which loses less ({scheme_table().qat.note})"
        return f"{less}; without that training {quant} would be: {what}" if what else less
    return what or f"{quant or 'this scheme'}: no published figures are known"


def find_published(cost: Cost, bits: float | None) -> tuple[str, Source] | None:
    """What was found about accuracy, or bias and safety, at a width in nominal bits, and by whom."""
    if bits is None:
        return None
    found = (each for each in scheme_table().findings if each.about == cost and bits >= each.min_bits)
    return next(((each.finding, each.source) for each in found), None)
