"""Tuning, specialty and languages."""

from __future__ import annotations

from analysis.names.name_labels import NameLabels, TokenSequence
from analysis.names.tokens import (
    ACTIVE,
    CODE,
    EFFECTIVE,
    FAMILY,
    FORMAT,
    GGUF,
    LANGUAGE,
    MIX,
    SEES,
    SIZE,
    SPECIALTY,
    TUNING,
)  # fmt: skip

RECOGNIZED_KINDS = CODE | LANGUAGE | SEES | SPECIALTY | TUNING
AMBIGUOUS = {"assistant", "base", "it"}


def recognize_tuning(tokens: TokenSequence, labels: NameLabels) -> None:
    traits: Traits | None = None
    for index, lexeme in enumerate(tokens.lexemes):
        kind = lexeme.kind
        if not kind & RECOGNIZED_KINDS or lexeme.entry is None:
            continue
        value = lexeme.entry.value
        if kind & TUNING:
            if lexeme.text.lower() in AMBIGUOUS:
                traits = traits or Traits(tokens)
                recognize_ambiguous_tuning(tokens, labels, index, traits)
            elif value not in labels.tuning:
                labels.tuning += (value,)
        elif kind & SPECIALTY:
            if lexeme.text.lower() == "cpp" and is_runtime(tokens, index):
                tokens.claims[index] = ("noise", lexeme.text, "a program that runs it")
            else:
                if value == "vision" and lexeme.text.lower() in DETECTION:
                    traits = traits or Traits(tokens)
                    value = purpose_of_detection(labels, traits)
                if value not in labels.specialty:
                    labels.specialty += (value,)
        elif kind & LANGUAGE:
            if value not in labels.languages:
                labels.languages += (value,)
        else:
            traits = traits or Traits(tokens)
            recognize_language_code(tokens, labels, index, traits)
    if tokens.mask & SEES and "vision" not in labels.specialty:
        labels.specialty += ("vision",)  # `GLM-4.5V` is the version with vision


DETECTION = {"detection"}


def purpose_of_detection(labels: NameLabels, traits: Traits) -> str:
    """Of objects in images; of spam, fake news and hate by models that read text or listen."""
    named = next((word for word in ("guard", "classification") if word in labels.specialty), None)
    return named or ("classification" if traits.reads and not traits.sees else "vision")


def is_runtime(tokens: TokenSequence, index: int) -> bool:
    """`whisper.cpp` and `parakeet-cpp-gguf`: programs are named after the family that they run."""
    lexemes = tokens.lexemes
    if tokens.before(index) == ".":
        return True
    named = bool(index) and bool(lexemes[index - 1].kind & FAMILY)
    return named and (index + 1 == len(lexemes) or bool(lexemes[index + 1].kind & (FORMAT | GGUF)))


class Traits:
    """How the families of a name change the meaning of its words: `it` and `pt`, `base`, and language codes."""

    __slots__ = ("encodes", "it_is_tuning", "reads", "sees", "speaks", "tokens", "translates")

    def __init__(self, tokens: TokenSequence) -> None:
        self.tokens = tokens
        self.encodes = self.it_is_tuning = self.reads = self.sees = self.speaks = self.translates = False
        if not tokens.mask & FAMILY:
            return
        for lexeme in tokens.lexemes:
            if lexeme.kind & FAMILY and lexeme.entry is not None:
                facts = lexeme.entry.facts
                self.reads = True
                self.sees = self.sees or not PICTURES.isdisjoint(facts.get("for", ()))
                self.encodes = self.encodes or "base" in facts
                self.it_is_tuning = self.it_is_tuning or "it" in facts
                if "for" in facts:
                    self.translates = self.translates or "translation" in facts["for"]
                    self.speaks = self.speaks or not SPEECH_PURPOSES.isdisjoint(facts["for"])
        self.speaks = self.speaks or self.encodes

    @property
    def base_is_size(self) -> bool:
        """Whether `base` is a size, as of encoders: not where another is stated (`ERNIE-4.5-0.3B-Base`)."""
        tokens = self.tokens
        if tokens.mask & SIZE and any(lexeme.kind & SIZE and lexeme.unit == "b" for lexeme in tokens.lexemes):
            return False
        return self.encodes or "ggml" in tokens.text.lower()  # whisper.cpp's `ggml-base.en.bin`


PICTURES = {"vision", "image", "video", "ocr"}
SPEECH_PURPOSES = {"audio", "asr", "tts", "translation"}  # of families whose names end in a language


def recognize_ambiguous_tuning(tokens: TokenSequence, labels: NameLabels, index: int, traits: Traits) -> None:
    """`base`, `it` and `assistant`, which mean different things in different names."""
    lexeme, claims = tokens.lexemes[index], tokens.claims
    assert lexeme.entry is not None
    word = lexeme.text.lower()
    if word == "it" and is_locale(tokens, index):
        labels.languages = append_unique(labels.languages, "it")
        claims[index] = ("languages", "it", "locale")
    elif word == "base" and traits.base_is_size:
        labels.size = labels.size or "base"
        claims[index] = ("size", "base", "size word")
    elif word == "it" and not (traits.it_is_tuning or tokens.mask & (SIZE | ACTIVE | EFFECTIVE | MIX)):
        if tokens.mask & CODE or traits.speaks:
            labels.languages = append_unique(labels.languages, "it")
            claims[index] = ("languages", "it", "language code")
        elif index and index == len(claims) - 1:
            labels.tuning = append_unique(labels.tuning, "instruct")
        else:
            claims[index] = None
    elif word == "assistant" and "instruct" in labels.tuning:
        labels.parameters = labels.active_parameters = None  # Gemma's `-it-assistant` is a draft model for `-it`
        claims[index] = ("role", "draft", "an assistant of the tuned model")
    else:
        labels.tuning = append_unique(labels.tuning, lexeme.entry.value)


def recognize_language_code(tokens: TokenSequence, labels: NameLabels, index: int, traits: Traits) -> None:
    """Two letters are a language code only beside another code, in a speech or translation model, or if unambiguous."""
    lexeme = tokens.lexemes[index]
    assert lexeme.entry is not None
    if lexeme.text.isupper() and index and is_locale(tokens, index - 1):
        tokens.claims[index] = ("noise", lexeme.text, "region of a locale")
    elif traits.it_is_tuning and lexeme.text.lower() == "pt":
        labels.tuning = append_unique(labels.tuning, "base")
        tokens.claims[index] = ("tuning", "base", "pretrained")
    elif (
        lexeme.entry.facts.get("bare")
        or traits.translates
        or is_locale(tokens, index)
        or is_beside_code(tokens, index)
        or (traits.speaks and index == len(tokens.lexemes) - 1)
    ):
        labels.languages = append_unique(labels.languages, lexeme.entry.value)
        tokens.claims[index] = ("languages", lexeme.entry.value, "language code")


REGIONS = {
    "AE", "AR", "AT", "AU", "BE", "BG", "BR", "CA", "CH", "CL", "CN", "CO", "CZ", "DE", "DK", "EE", "EG", "ES",
    "FI", "FR", "GB", "GR", "HK", "HR", "HU", "ID", "IE", "IL", "IN", "IR", "IS", "IT", "JO", "JP", "KE", "KR",
    "KZ", "LT", "LU", "LV", "MA", "MX", "MY", "NG", "NL", "NO", "NP", "NZ", "PE", "PH", "PK", "PL", "PT", "RO",
    "RS", "RU", "SA", "SE", "SG", "SI", "SK", "TH", "TN", "TR", "TW", "UA", "UK", "US", "VE", "VN", "ZA",
}  # fmt: skip
"""Countries in locales (ISO 3166-1); `-it-UD-` is none."""


def is_locale(tokens: TokenSequence, index: int) -> bool:
    """`it_IT`, `pt-BR`, `en_US`: a language in small letters and a region in capitals."""
    lexemes = tokens.lexemes
    if index + 1 >= len(lexemes) or len(lexemes[index].text) != 2 or not lexemes[index].text.islower():
        return False
    return lexemes[index + 1].text in REGIONS and tokens.before(index + 1) in ("_", "-")


def is_beside_code(tokens: TokenSequence, index: int) -> bool:
    """`en-it`, `en-to-it`."""
    lexemes = tokens.lexemes
    for step in (-1, 1):
        at = index + step
        if 0 <= at < len(lexemes) and lexemes[at].text.lower() in ("to", "2", "and"):
            at += step
        if 0 <= at < len(lexemes):
            other = lexemes[at]
            if other.kind & CODE or other.text.lower() == "it" or (other.kind & LANGUAGE and len(other.text) <= 3):
                return True
    return False


def append_unique(values: tuple[str, ...], value: str) -> tuple[str, ...]:
    return values if value in values else (*values, value)
