"""What a word with digits can be: patterns for sizes, versions, bits, contexts, training details, and dates."""

from __future__ import annotations

import re

UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_COUNT = r"[0-9]{1,3}(?:[._][0-9]{1,3})?|[0-9]{4}(?=[km])|[0-9]{1,3}[pd][0-9]{1,2}"
_PATTERNS = (  # by how the word begins, with a digit (0) or a letter (a); the first that matches all of it wins
    ("0", "number", r"[0-9]+(?:[._][0-9]+)*n?"),
    ("0", "sees", r"([0-9]{1,2}(?:\.[0-9]{1,2})?)v"),
    ("0", "size", rf"({_COUNT})([kmbt])(?:n|illion|params?)?"),
    (
        "a",
        "version",
        r"(?:v|ver|version|rev)\.?([0-9]{1,4}(?:[._p][0-9]{1,4})*[a-e]?)(?:final|beta|alpha|fix|rc[0-9]?|it)?",
    ),
    ("a", "lettered", rf"[cdf-rtuw-z]({_COUNT})(b)|p([0-9]{{2,3}})(m)"),
    ("0", "mix", rf"([0-9]{{1,3}})[x×]({_COUNT})([bm])"),
    ("a", "active", rf"a({_COUNT})([bm])"),
    ("a", "effective", r"e([0-9]{1,3}(?:\.[0-9]{1,2})?)b"),
    ("0", "xim", rf"({_COUNT})([bm])x([0-9]{{1,2}})"),
    ("0", "bloom", r"([0-9]{1,2})([bm])([0-9])"),
    ("0", "pair", rf"({_COUNT})ba?({_COUNT})b"),
    ("0a", "bpw", r"([0-9]{1,2}(?:[._][0-9]{1,4})?)bpw(?:h[0-9])?|bpw([0-9]{1,2}(?:\.[0-9]{1,4})?)"),
    ("0", "bits", r"([0-9]{1,2}(?:\.[0-9]{1,3})?)-?bits?(?:mlx|awq)?"),
    ("a", "activation", r"w([0-9]{1,2})a([0-9]{1,2})(?:fp|o)?(?:g([0-9]{1,4}))?(?:kv[0-9]+)?"),
    ("a", "grouped", r"w([1-8])(?:bits?)?g(16|32|64|128|256|512|1024)"),
    ("a", "web", r"q([0-9])(f16|f32|bf16)"),
    ("0a", "mlx", r"oq([2-8])(?:e|plus)?|mx([2-8])|([2-8])b?it-?mlx|mlx-?([2-8])(?:bit)?"),
    (
        "0a",
        "group",
        r"(?:gs?(16|32|64|128|256|512|1024)|group(?:size)?(32|64|128|256|512|1024)|(16|32|64|128|256|512|1024)g)",
    ),
    ("0", "share", r"([0-9]{2})(i?q[0-9].*|b?f16|f32)"),
    ("0a", "times", r"x([0-9]{1,2})|([0-9]{1,2})x"),
    ("0", "experts", r"([0-9]{1,3})e"),
    ("0", "window", r"([0-9]{4,7})seq"),
    ("a", "short", r"(l|q|g|mn|ms|ml|y)([0-9](?:\.[0-9])?)"),
    ("a", "letter", r"([a-z])([0-9]{1,2}(?:\.[0-9]{1,2})?)"),
    (
        "0a",
        "noise",
        r"(?:e|ep|epochs?|steps?|ckpts?|cp|checkpoints?|iters?|iteration|lr|bs|batch|batchsize|seed|wd|seq|len|maxlen|rank"
        r"|r|alpha|runs?|fold|layers?|[lnhtdfksp]|top|topk|stage|phase|part|split|set|exp|trial|num|b|beta|gen|round|level"
        r"|day|lora|dim|c|m|sm|cu|cuda|sp|drop|warmup|kl|eps|temp|ctx|patch|gpu|pct|chunk|bin|idx|id|no|hz|samples?)"
        r"[0-9]+(?:[._][0-9]+)?[kmbh]?|lr[0-9.]+e[0-9]*|hb[0-9]|[0-9]+p[0-9]+|[0-9]+i|[0-9]{1,4}x[0-9]{1,4}"
        r"|[0-9]+(?:[._][0-9]+)?(?:ep|epochs?|steps?|ksteps?|h|hrs?|hours?|hz|khz|px|ms|gb|mb|kb|tb|shots?|way|th|nd|st|rd"
        r"|s|d|layers?|l|experts?|pct|percent|p|c|n|w|v|alp|lam|lr|iters?|it|ctx|tokens?|tok|samples?|k?examples|kn|fps"
        r"|min|class|classes|labels|ways|hop|days?|y|yr|epo|r|heads?|gpus?|batch|bs|e[0-9]*)"
        r"|20[0-9]{6}t[0-9]{4,6}"
        r"|(?=[0-9a-f]{0,64}[0-9])(?=[0-9a-f]{0,64}[a-f])[0-9a-f]{7,64}|0x[0-9a-f]+",
    ),
)
# `2507`, `240806`, `20240806`, `202408`, `0528`; 1024 and 1212 count more often than they date.
DATE_PATTERN = re.compile(
    r"(?!1024\Z|1212\Z)"
    r"(?:(?:20)?2[0-9](?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])|2[0-9](?:0[1-9]|1[0-2])|20[12][0-9](?:0[1-9]|1[0-2])"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]))"
)
_MATCH_DIGIT, _MATCH_LETTER = (
    re.compile(
        "|".join(f"(?P<{name}>(?:{pattern})\\Z)" for starts, name, pattern in _PATTERNS if start in starts)
    ).match
    for start in "0a"
)


def match_digits(lower: str) -> re.Match[str] | None:
    """What a word with digits, in small letters, can be: the match of its pattern, whose name is `lastgroup`."""
    return (_MATCH_DIGIT if lower[:1] <= "9" else _MATCH_LETTER)(lower)
