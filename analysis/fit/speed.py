"""How fast a model can generate at most: the memory bandwidth divided by the bytes that each token reads."""

from __future__ import annotations


def tokens_per_second(weights: int, bandwidth: float, *, active_share: float = 1.0) -> float:
    """The most tokens per second: bandwidth (bytes per second) / bytes of the active weights.

    Each token reads every active weight once (the roofline of decoding, arXiv 2402.16363, section 2); a mixture of
    experts reads its active share. Real runtimes reach 60 to 90 % of it.
    """
    return bandwidth / max(1.0, weights * active_share)
