"""The size of a model, and the meaning of other numbers with a K, M, B or T."""

from __future__ import annotations

import re

from analysis.names.name_labels import NameLabels, TokenSequence
from analysis.names.tokens import (
    ACTIVE,
    CONTEXT,
    EFFECTIVE,
    EXPERTS,
    FAMILY,
    FLAG,
    LETTER,
    MIX,
    NUMBER,
    ROLE,
    SIZE,
    SIZE_WORD,
    SPECIALTY,
    TIMES,
    TUNING,
    VERSION,
    Lexeme,
    canonical_size,
)  # fmt: skip

RECOGNIZED_KINDS = ACTIVE | CONTEXT | EFFECTIVE | EXPERTS | MIX | SIZE | SIZE_WORD | TIMES

# Context lengths that occur in names, in thousands of tokens.
CONTEXT_THOUSANDS = {
    4,
    8,
    16,
    32,
    64,
    120,
    128,
    131,
    160,
    192,
    200,
    256,
    262,
    320,
    384,
    450,
    512,
    1000,
    1024,
    1048,
    2048,
    4096,
}
CONTEXT_MILLIONS = {1, 2, 4, 10}
# From this number of experts on, the size before it is that of the active parameters, as in Llama 4's `17B-16E`.
MIN_EXPERTS_FOR_ACTIVE_SIZE = 16


def recognize_size(tokens: TokenSequence, labels: NameLabels) -> None:
    kinds = tokens.mask & RECOGNIZED_KINDS
    if kinds == SIZE_WORD:
        claim_size_word(tokens, labels)
        return
    if kinds == SIZE:
        counts = [index for index, lexeme in enumerate(tokens.lexemes) if lexeme.kind & SIZE]
        if len(counts) == 1 and recognize_plain_size(tokens, labels, counts[0]):
            return
    found: dict[int, int] = {}
    counts = []
    for index, lexeme in enumerate(tokens.lexemes):
        kind = lexeme.kind & RECOGNIZED_KINDS
        if kind:
            if kind & SIZE:
                counts.append(index)
            else:
                found.setdefault(kind, index)
    if counts:
        counts = [index for index in counts if counts_parameters(tokens, labels, index, counts, found)]
    if CONTEXT in found:
        labels.context = round(tokens.lexemes[found[CONTEXT]].number)
    if MIX in found:
        claim_mixture(tokens, labels, found[MIX], counts)
    elif counts:
        claim_total(tokens, labels, counts, found)
    if ACTIVE in found:
        claim_active(tokens, labels, found[ACTIVE])
    if EFFECTIVE in found:
        lexeme = tokens.lexemes[found[EFFECTIVE]]
        labels.size, labels.active_parameters = lexeme.text.upper(), round(lexeme.number)
        tokens.claims[found[EFFECTIVE]] = ("size", labels.size, "effective parameters")
    if labels.size is None and SIZE_WORD in found:
        claim_size_word(tokens, labels)
    if names_another_model(tokens) or drafts_for(tokens.text, labels.family):
        labels.parameters = labels.active_parameters = labels.experts = None
        labels.approximate = False


def claim_size_word(tokens: TokenSequence, labels: NameLabels) -> None:
    """The first word of size (`large`, `mini`) is the size of a name that states none in numbers.

    Not `turbo` of an image model: `sdxl-turbo` is as large as `sdxl`, and distilled to a few steps.
    """
    pictures = not SEEN.isdisjoint(labels.specialty)
    for index, lexeme in enumerate(tokens.lexemes):
        if lexeme.kind & SIZE_WORD and lexeme.entry is not None:
            if pictures and lexeme.entry.value in FEW_STEPS:
                tokens.claims[index] = ("noise", lexeme.text, "edition with few steps")
                continue
            labels.size = lexeme.entry.value
            tokens.claims[index] = ("size", labels.size, lexeme.entry.file)
            return


SEEN = {"image", "video"}  # what such models make
FEW_STEPS = {"flash", "turbo"}  # editions of such models that are distilled to a few steps, not sizes


def recognize_plain_size(tokens: TokenSequence, labels: NameLabels, index: int) -> bool:
    """The usual case: one size in billions and nothing that gives it another meaning. False otherwise."""
    lexeme = tokens.lexemes[index]
    text = tokens.text
    if lexeme.unit != "b" or tokens.mask & ROLE or not lexeme.number or "for" in text or "ok" in text:
        return False
    if "agle" in text or "AGLE" in text:
        return False
    assert lexeme.claim is not None
    labels.parameters, labels.size = int(lexeme.number), lexeme.claim[1]
    return True


def counts_parameters(
    tokens: TokenSequence, labels: NameLabels, index: int, counts: list[int], found: dict[int, int]
) -> bool:
    """Whether a number with a letter counts parameters; contexts and noise are claimed as such here."""
    lexeme = tokens.lexemes[index]
    unit, number = lexeme.unit, lexeme.number
    billions = MIX in found or any(tokens.lexemes[other].unit == "b" for other in counts)
    if index and tokens.lexemes[index - 1].kind & FLAG and unit == "m":
        rule = "profile of a quantizer"
    elif unit == "k":
        if is_sample_rate(tokens, index):
            tokens.claims[index] = ("noise", lexeme.text, "sample rate")
            return False
        if is_beside_context_word(tokens, index) or (
            (number / 1e3 in CONTEXT_THOUSANDS or (number <= 2e3 and is_last_context(tokens, labels, index)))
            and not counts_training_steps(tokens, index)
        ):
            return claim_context(tokens, labels, index, context_tokens(number))
        if number >= 1e5 and not billions and lexeme.text[-1] == "K" and index == len(tokens.lexemes) - 1:
            return True
        rule = "thousands"
    elif unit == "m":
        if number / 1e6 in CONTEXT_MILLIONS and is_context_window(tokens, labels, index, counts, billions):
            return claim_context(tokens, labels, index, round(number / 1e6 * (1 << 20)))
        if index and not tokens.before(index) and tokens.lexemes[index - 1].unknown and is_vision_line(tokens):
            rule = "data"  # the `lvd142m` of a vision model
        elif not billions or (number >= 5e7 and not has_family_between(tokens, index, counts)):
            return True
        else:
            rule = "data"
    elif counts_training_tokens(tokens, index):
        rule = "tokens of training"
    elif unit == "t":
        if ACTIVE in found or (len(counts) == 1 and MIX not in found and is_size_in_trillions(tokens, index)):
            return True
        rule = "tokens of training"
    elif number == 0:
        rule = "number"
    else:
        return True
    tokens.claims[index] = ("noise", lexeme.text, rule)
    return False


def counts_training_tokens(tokens: TokenSequence, index: int) -> bool:
    """`100B-tokens`, and the second of `22B-token-500B`."""
    words = ("tokens", "token", "tok")
    lexemes = tokens.lexemes
    if is_followed_by(tokens, index, words):
        return not (index + 2 < len(lexemes) and lexemes[index + 2].kind & SIZE)
    return bool(index) and lexemes[index - 1].text.lower() in words


def is_size_in_trillions(tokens: TokenSequence, index: int) -> bool:
    """`Ling-1T` and `Kimi-K3-2T`: trillions right after the family are its size, elsewhere training tokens."""
    lexemes = tokens.lexemes
    named = any(lexeme.kind & FAMILY for lexeme in lexemes[:index])
    close = index and all(lexeme.kind & (FAMILY | LETTER | NUMBER | VERSION) for lexeme in lexemes[:index])
    return named and bool(close) and lexemes[index].number <= 3e12 and not _SMALL.search(tokens.text.lower())


_SMALL = re.compile("tiny|small|mini|lite|nano|smol")  # a model with a trillion parameters is not called so


def is_vision_line(tokens: TokenSequence) -> bool:
    """Whether the name contains a family of vision models."""
    return any(
        lexeme.kind & FAMILY and lexeme.entry is not None and "vision" in lexeme.entry.facts.get("for", ())
        for lexeme in tokens.lexemes
    )


def context_tokens(number: float) -> int:
    """Tokens of a context in thousands: 128k is 131072, 200k is 200 x 1024, 131k and 1048k are powers of two."""
    power = 1 << round(number).bit_length()
    if abs(number / power - 1) < 0.006 or abs(number / (power // 2) - 1) < 0.006:
        return power if abs(number / power - 1) < 0.006 else power // 2
    return round(number / 1e3 * 1024)


TRAINING_STEP_WORDS = {
    "step",
    "steps",
    "iter",
    "iters",
    "iteration",
    "ckpt",
    "checkpoint",
    "epoch",
    "epochs",
    "tokenizer",
    "vocab",
}


def counts_training_steps(tokens: TokenSequence, index: int) -> bool:
    """Whether thousands count training steps: after a word like `step`, or in the name of an encoder."""
    if index and tokens.lexemes[index - 1].text.lower() in TRAINING_STEP_WORDS:
        return True
    return any(
        lexeme.kind & FAMILY and lexeme.entry is not None and "base" in lexeme.entry.facts for lexeme in tokens.lexemes
    )


SAMPLE_RATES = {8, 16, 22, 24, 32, 44, 48}  # thousands of samples per second
SOUND = {"audio", "asr", "tts"}


def is_sample_rate(tokens: TokenSequence, index: int) -> bool:
    """`16k` in the name of a model of sound: samples per second."""
    if tokens.lexemes[index].number / 1e3 not in SAMPLE_RATES:
        return False
    return any(
        lexeme.entry is not None
        and (
            (lexeme.kind & SPECIALTY and lexeme.entry.value in SOUND)
            or (lexeme.kind & FAMILY and not SOUND.isdisjoint(lexeme.entry.facts.get("for", ())))
        )
        for lexeme in tokens.lexemes
    )


def is_last_context(tokens: TokenSequence, labels: NameLabels, index: int) -> bool:
    """`-1k` and `-2k` at the end of a name with a size: a context. Elsewhere they count examples."""
    return (
        index == len(tokens.lexemes) - 1
        and bool(tokens.mask & SIZE)
        and labels.family is not None
        and any(lexeme.kind & SIZE and lexeme.unit == "b" for lexeme in tokens.lexemes)
    )


def claim_context(tokens: TokenSequence, labels: NameLabels, index: int, context: int) -> bool:
    """Set and claim the context. Returns False: it is not a number of parameters."""
    labels.context = context
    tokens.claims[index] = ("context", str(context), "context")
    return False


BARE_CONTEXTS = {str(1 << power): 1 << power for power in range(9, 17)}
"""Lengths in tokens for which models of long texts are made: 512 to 65,536."""


def claim_bare_context(tokens: TokenSequence, labels: NameLabels) -> None:
    """`longformer-base-4096`: the first bare power of two in the name of a model for long texts."""
    for index, lexeme in enumerate(tokens.lexemes):
        if lexeme.text in BARE_CONTEXTS:
            claim_context(tokens, labels, index, BARE_CONTEXTS[lexeme.text])
            return


def is_followed_by(tokens: TokenSequence, index: int, words: tuple[str, ...]) -> bool:
    return index + 1 < len(tokens.lexemes) and tokens.lexemes[index + 1].text.lower() in words


def leave_out_context(tokens: TokenSequence, labels: NameLabels) -> None:
    """`guided_diffusion_200k`: models that make pictures count steps in thousands, and have no context."""
    for at, claim in enumerate(tokens.claims):
        if claim is not None and claim[0] == "context":
            tokens.claims[at] = ("noise", tokens.lexemes[at].text, "training or measure")
    labels.context = None


def is_beside_context_word(tokens: TokenSequence, index: int) -> bool:
    words = ("context", "ctx", "contextwindow")
    return is_followed_by(tokens, index, words) or bool(index and tokens.lexemes[index - 1].text.lower() in words)


def is_context_window(tokens: TokenSequence, labels: NameLabels, index: int, counts: list[int], billions: bool) -> bool:
    """Whether `1M` is a context: after a size in billions, or alone after a family; before `100K` it counts data."""
    after = index + 1
    if after in counts and tokens.lexemes[after].unit == "k":
        return False
    if billions:
        return any(other < index and tokens.lexemes[other].unit == "b" for other in counts)
    return labels.family is not None and labels.version is not None and tokens.lexemes[index].text[-1] == "M"


def has_family_between(tokens: TokenSequence, index: int, counts: list[int]) -> bool:
    """`Instruct-3M-Llama3-70B`: the number after the family is its size, the one before is not."""
    later = next((other for other in counts if other > index and tokens.lexemes[other].unit == "b"), None)
    return later is None or any(lexeme.kind & FAMILY for lexeme in tokens.lexemes[index:later])


def claim_mixture(tokens: TokenSequence, labels: NameLabels, index: int, counts: list[int]) -> None:
    """`8x7B`: experts share attention, so the total is less than the product; a stated total takes precedence."""
    lexeme = tokens.lexemes[index]
    labels.experts = int(lexeme.unit)
    each = max(lexeme.text.lower().replace("×", "x").split("x"), key=lambda part: part[-1] in "bm")  # 8x7b, and 7bx8
    labels.size = f"{labels.experts}x{canonical_size(each)}"
    labels.parameters, labels.approximate = mixture_parameters(lexeme.number, labels.experts), True
    tokens.claims[index] = ("size", labels.size, "experts")
    for other in counts:
        tokens.claims[other] = ("noise", tokens.lexemes[other].text, "another size")
    for other in counts:
        if lexeme.number < tokens.lexemes[other].number < lexeme.number * labels.experts * 1.1:
            labels.parameters, labels.approximate = round(tokens.lexemes[other].number), False
            tokens.claims[other] = ("size", canonical_size(tokens.lexemes[other].text), "total of a mixture")
            return


def mixture_parameters(each: float, experts: float) -> int:
    return int(each * (0.25 + 0.75 * experts))


def claim_total(tokens: TokenSequence, labels: NameLabels, counts: list[int], found: dict[int, int]) -> None:
    lexemes, claims = tokens.lexemes, tokens.claims
    own = counts[0]
    if len(counts) > 1:
        second = counts[1]
        ratio = lexemes[second].number / lexemes[own].number
        if second == own + 1 and 1 < ratio < 40 and lexemes[own].unit == "b" and "moe" in tokens.text.lower():
            labels.active_parameters = round(lexemes[own].number)
            claims[own] = ("active_parameters", str(labels.active_parameters), "the smaller of a mixture's two sizes")
            own = second
        else:
            own = choose_own_size(tokens, counts)
    lexeme = lexemes[own]
    labels.parameters, labels.size = round(lexeme.number), canonical_size(lexeme.text)
    for other in counts:
        if other != own and claims[other] == lexemes[other].claim:
            claims[other] = ("noise", lexemes[other].text, "another size")
    experts = found.get(EXPERTS)
    if experts is not None and own < experts and all(is_model_of_line(lexeme) for lexeme in lexemes[own + 1 : experts]):
        labels.experts = int(lexemes[experts].number)
        labels.size = f"{labels.size}-{labels.experts}E"
        claims[experts] = ("experts", str(labels.experts), "experts")
        if labels.experts >= MIN_EXPERTS_FOR_ACTIVE_SIZE or any(map(is_model_of_line, lexemes)):
            labels.active_parameters, labels.parameters = labels.parameters, None
    times = found.get(TIMES)
    if times is not None and "moe" in tokens.text.lower() and labels.parameters is not None:
        labels.experts = int(lexemes[times].number)
        labels.parameters, labels.approximate = mixture_parameters(labels.parameters, labels.experts), True
        claims[times] = ("experts", str(labels.experts), "times a mixture")


def is_model_of_line(lexeme: Lexeme) -> bool:
    """Whether a word names one of Llama 4's models: Ollama writes `17b-scout-16e`."""
    return lexeme.entry is not None and lexeme.entry.value == "llama4"


SHRINKING_TUNINGS = {"distill", "pruned"}


def choose_own_size(tokens: TokenSequence, counts: list[int]) -> int:
    """The position of the model's own size: after `distill`, `pruned` or `dense` the smaller one, else the first.

    A size at the beginning, or after a data set with its year, is not that of the family which follows with its own:
    `WASSA2024-3B-LLAMA3-7B`.
    """
    own = counts[0]
    before = tokens.lexemes[own - 1] if own else None
    if (before is None or (before.unknown and before.text[-1].isdigit())) and any(
        lexeme.kind & FAMILY for lexeme in tokens.lexemes[own : counts[1]]
    ):
        own = counts[1]
    for later in counts[1:]:
        if tokens.lexemes[later].number < tokens.lexemes[own].number and any(
            (lexeme.kind & TUNING and lexeme.entry is not None and lexeme.entry.value in SHRINKING_TUNINGS)
            or lexeme.text.lower() == "dense"
            for lexeme in tokens.lexemes[own:later]
        ):
            own = later
    return own


_BILLIONS = re.compile(r"(?:([0-9]{1,2})_)?([0-9]{1,4}(?:\.[0-9]{1,3})?)[bB](?![a-z])")


def find_counts(text: str) -> tuple[int, ...]:
    """Every number of billions in a name, in each way it can be read, as parameters.

    `024b`: 24B, 0.24B; `llama38b`: 38B, or 8B after version 3; `x1_78B`: 78B, 1.78B. The name alone can't tell them
    apart: `recognize_size` claims the usual reading or none.
    """
    found: dict[float, None] = {}
    for match in _BILLIONS.finditer(text):
        whole, digits = match.groups()
        found[float(digits)] = None
        if whole is not None and digits.isdigit():
            found[float(f"{whole}.{digits}")] = None
        if digits[0] == "0" and digits.isdigit():
            found[float(f"0.{digits[1:] or 0}")] = None
        elif len(digits) > 1 and text[: match.start()][-1:].isalpha():
            found[float(digits[1:].lstrip(".") or 0)] = None
    return tuple(round(number * 1e9) for number in found if number)


def claim_active(tokens: TokenSequence, labels: NameLabels, index: int) -> None:
    lexeme = tokens.lexemes[index]
    labels.active_parameters = round(lexeme.number)
    text = canonical_size(lexeme.text)
    labels.size = text if labels.size is None else f"{labels.size}-{text}"
    tokens.claims[index] = ("active_parameters", str(labels.active_parameters), "active parameters")


def drafts_for(text: str, family: str | None) -> bool:
    """Whether `eagle` stands beside the family that it drafts for: `EAGLE-LLaMA3-8B`; NVIDIA's Eagle stands alone."""
    return family not in (None, "eagle", "valley") and "eagle" in text.lower()


def names_another_model(tokens: TokenSequence) -> bool:
    """Whether the size is that of another model: draft models and adapters are named after their model."""
    if tokens.mask & ROLE and any(
        lexeme.kind & ROLE and lexeme.entry is not None and lexeme.entry.value == "draft" for lexeme in tokens.lexemes
    ):
        return True
    if tokens.mask & FAMILY and "for" in tokens.text:
        lexemes = tokens.lexemes
        return any(
            lexeme.kind & FAMILY and index and lexemes[index - 1].text.lower() == "for"
            for index, lexeme in enumerate(lexemes)
        )
    return False
