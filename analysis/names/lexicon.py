"""What each word of a name can mean by itself, found once for each word and remembered.

Names repeat their words a million times, so the Lexicon analyses a word when it first occurs. What a word means beside
others is decided by the recognizers (family, version, size, tuning, quantization).
"""

from __future__ import annotations

import re

from analysis.names.known_words import gguf_spellings, make_gguf_lexeme, make_lexeme
from analysis.names.patterns import DATE_PATTERN, UNITS, match_digits
from analysis.names.tokens import (
    ACTIVE,
    BITS,
    CODE,
    CONTEXT,
    DATE,
    EFFECTIVE,
    EMPTY,
    EXPERTS,
    FAMILY,
    FOLLOWS,
    GGUF,
    GLUED,
    GROUP,
    LETTER,
    MIX,
    NOISE,
    NUMBER,
    OPENS,
    SCHEME,
    SEES,
    SHORT,
    TIMES,
    VERSION,
    WORD,
    YEAR,
    Lexeme,
    Lexemes,
    make_size_lexeme,
    parse_count,
)  # fmt: skip
from analysis.vocabulary.vocabulary import PRODUCTS, Entry, Vocabulary

_HAS_DIGIT = re.compile(r"[0-9]").search
_HEAD = re.compile(r"[a-z]+(?![a-z])")
_HEAD_DIGITS = re.compile(r"[a-z]+[0-9]+(?=[a-z])")
_AFTER_FAMILY = re.compile(r"v?([0-9]{1,2}(?:[._dp][0-9]{1,2})*(?:n(?![a-z]))?)(?=[A-Z]|[a-z]{3}|[aeAE][0-9]|\Z)")
_SIZE_AT_END = re.compile(r"[-_. ]([0-9]{1,3}(?:\.[0-9]{1,2})?[bB])\Z")
_GLUED_SIZE = re.compile(r"([0-9]{1,2}[0-9.]*[0-9])[bB](?![a-z])")
_GLUED_VERSION = re.compile(r"[vV]?[0-9][0-9.]*\Z")
_LETTERED = re.compile(r"[A-Za-z][0-9]{1,2}(?:\.[0-9]{1,2})?(?![0-9.])")
_SIZE_THEN_WORD = re.compile(
    r"[0-9]{1,3}(?:\.[0-9]{1,2})?[bB](?=[A-Z][A-Za-z])|[0-9]{2,3}M(?=[A-Z][a-z])|[0-9]{1,3}(?:\.[0-9])?[bB](?=[a-z]{4})"
)
_WORD_THEN_SIZE = re.compile(r"[A-Za-z]{3,}(?=[0-9]{1,3}(?:[._][0-9]{1,2})?[bB]\Z|[0-9]{2,3}[mM]\Z)")
_CAPITALIZED = re.compile(
    r"(?:Ro|De)?BERTa|BERT(?:urk|opic)?(?=[a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+(?:[._][0-9]+)*[bBmM]?(?![a-z])|[^A-Za-z0-9]+|[0-9]+"
)
_SHORTHAND = {"l": "llama", "q": "qwen", "g": "gemma", "mn": "mistral", "ms": "mistral", "ml": "mistral", "y": "yi"}
_POINTS = str.maketrans("_dp", "...")
_WORD_NUMBER = re.compile(r"[A-Za-z]{3,}(?=[0-9]{1,2}(?:\.[0-9]{1,2})?\Z)")
_HYPHENS = str.maketrans("_. ", "---")
_HYPHEN_DIGIT = re.compile(r"i?q[0-9]-[2-9]", re.I)
_GLUED_SCHEME = re.compile(r"(?<=[a-z])I?Q[1-8]\Z")
_BARE_BITS = re.compile(r"i?q([1-8])\Z")
# Letters that a word of this kind needs to be recognized among words joined by capitals.
_MIN_LETTERS = {
    "tuning": 3,
    "specialty": 3,
    "noise": 2,
    "size word": 4,
    "format": 3,
}
MAX_WORD_LENGTH = 64
MAX_CACHED_WORDS = 200_000


class Lexicon(dict[str, Lexeme]):
    """word -> its first lexeme, the others in its `more`; filled as words occur, emptied at MAX_CACHED_WORDS.

    `phrases` maps several words, joined by `-`, to what they mean together: a vocabulary entry or a GGUF scheme.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.owners = vocabulary.owners
        self.kinds: dict[int, int] = {}  # one object for each union of kinds: fewer places in memory to read
        self.gguf = gguf_spellings(vocabulary)
        self.phrases: dict[str, Entry | str] = {}
        self.phrase_starts: dict[str, dict[str, tuple[int, ...]]] = {}  # first word -> second -> lengths, long first
        self.phrase_lexemes: dict[str, Lexeme | None] = {}  # results of `make_phrase_lexeme`
        for scheme, canonical in self.gguf.items():
            self._add_phrase(scheme.lower().replace("_", "-"), canonical)
        for found in vocabulary.phrases.values():
            for parts, entry in found:
                self._add_phrase("-".join(parts), entry)
        self.seconds = {second for seconds in self.phrase_starts.values() for second in seconds}
        self._add_versioned_seconds()
        self.anywhere = dict(vocabulary.anywhere)
        self.endings = dict(vocabulary.endings)
        self._inside = re.compile("|".join(map(re.escape, self.anywhere)) or r"(?!)").search
        self._ending = re.compile(f"({'|'.join(map(re.escape, self.endings)) or '(?!)'})[0-9.]*\\Z").search

    def _add_phrase(self, phrase: str, meaning: Entry | str) -> None:
        words = phrase.split("-")
        if len(words) > 1 and phrase not in self.phrases:
            self.phrases[phrase] = meaning
            seconds = self.phrase_starts.setdefault(words[0], {})
            seconds[words[1]] = tuple(sorted({len(words), *seconds.get(words[1], ())}, reverse=True))

    def _add_versioned_seconds(self) -> None:
        """A phrase also includes a version glued to its second word, where that makes the second of another."""
        versioned: dict[str, list[str]] = {}
        for second in self.seconds:
            if second[-1].isdigit():
                versioned.setdefault(_GLUED_VERSION.sub("", second), []).append(second)
        for seconds in self.phrase_starts.values():
            for stem in versioned.keys() & seconds.keys():
                for second in versioned[stem]:
                    seconds.setdefault(second, seconds[stem])

    def __missing__(self, word: str) -> Lexeme:
        if len(self) >= MAX_CACHED_WORDS:
            self.clear()
            self.phrase_lexemes.clear()
        lower = word.lower()
        lexemes = self.recognize_word(word, lower)
        first = lexemes[0][1]
        if len(lexemes) > 1:  # a copy: the first part may be remembered as a word by itself
            first = first.copy(first.kind & ~(FOLLOWS | OPENS) | GLUED)
            first.more = tuple(lexemes[1:])
        at = self.phrase_offset(word, lower)
        if at is not None:
            first.kind |= OPENS
            opener = lower[at:]
            first.opens = self.phrase_starts[opener if opener in self.phrase_starts else opener[2:]]
        if follows := self.follower(lower):
            first.kind |= FOLLOWS
            first.follows = follows
        first.kind = self.kinds.setdefault(first.kind, first.kind)
        self[word] = first
        return first

    def lexemes(self, word: str) -> Lexemes:
        first = self[word]
        return ((0, first.copy(first.kind & ~GLUED) if first.more else first), *first.more)

    def phrase_offset(self, word: str, lower: str) -> int | None:
        """The offset at which a phrase may begin: 0, after a share (`55IQ2`), at a scheme (`devstralQ4`)."""
        if lower in self.phrase_starts:
            return 0
        if lower.isalpha():
            return None
        if lower[:2].isdigit() and lower[2:] in self.phrase_starts:
            return 0
        glued = _GLUED_SCHEME.search(word) if lower[-2:-1] == "q" else None
        return glued.start() if glued and lower[glued.start() :] in self.phrase_starts else None

    def follower(self, lower: str) -> str:
        """The word as the second of some phrase: itself, or without a version glued to it; empty if it is in none."""
        if lower in self.seconds:
            return lower
        if lower[-1:].isdigit() and (stem := _GLUED_VERSION.sub("", lower)) in self.seconds:
            return stem
        return ""

    def recognize_word(self, word: str, lower: str) -> list[tuple[int, Lexeme]]:
        """The lexemes of one word. An unknown word is one lexeme of kind WORD."""
        known = self.vocabulary.words.get(lower)
        if known is not None:
            return [(0, make_lexeme(word, known))]
        if not word or len(word) > MAX_WORD_LENGTH:
            return [(0, Lexeme(word, WORD if word else EMPTY))]
        if lower in ("bit", "bits"):
            return [(0, Lexeme(word, BITS))]
        if _HAS_DIGIT(word):
            found = self.recognize_number(word, lower)
            if found is not None:
                return found
        elif word == "MN":
            return [(0, Lexeme(word, SHORT, None, entry=self.vocabulary.words.get("mistral")))]
        elif len(word) == 1:
            return [(0, Lexeme(word, NOISE, ("noise", word, "a letter")))]
        elif (language := self.vocabulary.codes.get(lower)) is not None:
            return [(0, Lexeme(word, CODE, None, entry=language))]
        if word.isascii() and word.isalpha():  # no digits join words here, and few words are joined by capitals
            parts = None if word[1:].islower() else self.split_capitals(word)
            return parts or self.split_around_family(word, lower) or [(0, Lexeme(word))]
        return (
            self.split_glued(word, lower)
            or self.split_capitals(word)
            or self.split_around_family(word, lower)
            or self.split_trailing_number(word)
            or [(0, Lexeme(word))]
        )

    def recognize_number(self, word: str, lower: str) -> list[tuple[int, Lexeme]] | None:
        """A word with digits that matches a pattern: a size, version, bits, group size or training detail."""
        scheme = self.gguf.get(word.upper())
        if scheme is not None:
            return [(0, make_gguf_lexeme(word, scheme))]
        if lower == "1.58":
            return [(0, Lexeme(word, BITS, ("bits", lower, "ternary weights"), number=1.58, unit="bits"))]
        if found := _BARE_BITS.match(lower):
            return [(0, Lexeme(word, BITS, ("bits", found[1], "bits"), number=float(found[1]), unit="q"))]
        match = match_digits(lower)
        if match is None:
            return None
        if match.lastgroup == "pair":
            return self._split(word, lower.index("b") + 1)  # `1b14b` and `30bA3b`: two sizes glued
        if match.lastgroup == "grouped":  # `w4g128`: bits and group size
            bits, at = (
                Lexeme(word[:2], BITS, ("bits", word[1], "bits"), number=float(word[1]), unit="bits"),
                lower.index("g"),
            )
            return [(0, bits), *self._shift(at, word[at:])]
        return [(0, self._number(word, match))]

    def _number(self, word: str, match: re.Match[str]) -> Lexeme:
        name = match.lastgroup or ""
        values = [value for value in match.groups()[match.lastindex or 0 :] if value is not None]
        if name == "number":
            if DATE_PATTERN.fullmatch(word):
                return Lexeme(word, DATE, ("release", word, "date"), unit=word)
            kind = NUMBER | YEAR if "2019" < word < "2030" and len(word) == 4 else NUMBER
            return Lexeme(word, kind, None, unit=word.lower().replace("_", "."))
        if name == "sees":
            return Lexeme(word, VERSION | SEES, None, unit=values[0])
        if name == "size" and values[0][0] == "0" and values[0].isdigit() and len(values[0]) > 2:
            return Lexeme(word, NOISE, ("noise", word, "number"))  # `024b`: 0.24B, 2.4B, or a counter and 4B
        if name in ("size", "lettered"):
            return make_size_lexeme(word, parse_count(values[0]) * UNITS[values[1]], values[1])
        if name == "version":
            return Lexeme(word, VERSION, None, unit=values[0].replace("_", ".").replace("p", "."))
        if name == "mix":
            return Lexeme(word, MIX, None, number=parse_count(values[1]) * UNITS[values[2]], unit=values[0])
        if name == "xim":
            return Lexeme(word, MIX, None, number=parse_count(values[0]) * UNITS[values[1]], unit=values[2])
        if name == "active":
            return Lexeme(word, ACTIVE, None, number=parse_count(values[0]) * UNITS[values[1]])
        if name == "effective":
            return Lexeme(word, EFFECTIVE, None, number=float(values[0]) * 1e9)
        if name == "bloom":
            number = float(f"{values[0]}.{values[2]}") * UNITS[values[1]]
            return make_size_lexeme(word, number, values[1])
        if name in ("bpw", "bits", "mlx"):
            bits = float(values[0].replace("_", "."))
            if 0 < bits <= 16:
                return Lexeme(word, BITS, ("bits", f"{bits:g}", "bits"), number=bits, unit=name)
            return Lexeme(word)
        if name == "activation":
            scheme = f"W{values[0]}A{values[1]}"
            rule = "weights and activations"
            return Lexeme(word, SCHEME, ("quant", scheme, rule), number=float(values[0]), unit="activation")
        if name == "web":
            rule = "weights and arithmetic"
            return Lexeme(word, SCHEME, ("quant", word.upper(), rule), number=float(values[0]), unit="web")
        if name == "group":
            return Lexeme(word, GROUP, ("group_size", values[0], "group"), number=float(values[0]))
        if name == "share":
            known = self.vocabulary.words.get(values[1])
            scheme = self.gguf.get(values[1].upper(), known.value if known is not None else "")
            if not scheme and values[1] not in self.phrase_starts:
                return Lexeme(word)
            return Lexeme(word, GGUF, ("quant", scheme, "share of a mix"), number=float(values[0]), unit=scheme)
        if name == "times":
            return Lexeme(word, TIMES, None, number=float(values[0]))
        if name == "experts":
            return Lexeme(word, EXPERTS, ("noise", word, "training or measure"), number=float(values[0]), unit=word[-1])
        if name == "short":
            family = self.vocabulary.words.get(_SHORTHAND[values[0]])
            return Lexeme(word, SHORT | LETTER, None, entry=family, unit=values[1])
        if name == "window":
            return Lexeme(word, CONTEXT, ("context", values[0], "context"), number=float(values[0]))
        if name == "letter":
            return Lexeme(word, LETTER, None, unit=word.upper())
        return Lexeme(word, NOISE, ("noise", word, "training or measure"))

    def split_glued(self, word: str, lower: str) -> list[tuple[int, Lexeme]] | None:
        """A family with what follows it (`Qwen2.5`, `llama7b`, `gemma3n`, `Qwen3Guard`), or `8BInstruct`, `model7b`."""
        words = self.vocabulary.words
        for pattern in (_HEAD_DIGITS, _HEAD):
            head = pattern.match(lower)
            if head is not None and 1 < head.end() < len(word):
                entry = words.get(head[0])
                if entry is None and (lettered := self.split_lettered(word, head[0])) is not None:
                    return lettered
                if entry is None:
                    continue
                if entry.label in ("family", "publisher"):
                    return [(0, make_lexeme(word[: head.end()], entry)), *self._rest(word, head.end(), entry)]
                rest = lower[head.end() :]
                if rest.isdigit() or (entry.value == PRODUCTS and rest.replace(".", "", 1).isdigit()):
                    return self._split(word, head.end())  # `instruct2`, `Transfer2.5`: the word and its number
        found = _SIZE_THEN_WORD.match(word) or _WORD_THEN_SIZE.match(word)
        return self._split(word, found.end()) if found else None

    def split_lettered(self, word: str, head: str) -> list[tuple[int, Lexeme]] | None:
        """A family and a version that begins with a letter: `KimiK2`, `EasyAnimateV5.1`."""
        entry, at = self.vocabulary.words.get(head[:-1]), len(head) - 1
        if entry is None or entry.label != "family" or head[-1] not in ("v", *entry.facts.get("letters", "")):
            return None
        version = _LETTERED.match(word, at)
        if version is None:
            return None
        lexeme = self._number(version[0], found) if (found := match_digits(version[0].lower())) else None
        if lexeme is None:
            return None
        end = version.end()
        return [(0, make_lexeme(word[:at], entry)), (at, lexeme), *self._shift(end, word[end:])]

    def _rest(self, word: str, at: int, family: Entry) -> list[tuple[int, Lexeme]]:
        """What follows a family inside its word: a version and the rest, or the rest alone."""
        rest = word[at:]
        if "sizes" in family.facts and (version := version_before_size(rest, family)) is not None:
            return [(at, version), *self._shift(at + len(version.text), rest[len(version.text) :])]
        found = _AFTER_FAMILY.match(rest)
        size = match_digits(rest.lower())
        if found is None or (size is not None and size.lastgroup in ("size", "mix", "bloom")):
            return self._shift(at, rest)
        said = found[1].translate(_POINTS)
        version = Lexeme(rest[: found.end()], VERSION, None, unit=said, number=1)
        return [(at, version), *self._shift(at + found.end(), rest[found.end() :])]

    def _shift(self, offset: int, text: str) -> list[tuple[int, Lexeme]]:
        return [(offset + start, lexeme) for start, lexeme in self.lexemes(text)] if text else []

    def _split(self, word: str, at: int) -> list[tuple[int, Lexeme]]:
        return self._shift(0, word[:at]) + self._shift(at, word[at:])

    def split_capitals(self, word: str) -> list[tuple[int, Lexeme]] | None:
        """Words joined by capitals (`DarkQwen3`, `NeuralHermes`, `MiniGuard`), if at least one of them is known."""
        parts = [(found.start(), found[0]) for found in _CAPITALIZED.finditer(word)]
        if not 2 <= len(parts) <= 8:
            return None
        words = self.vocabulary.words
        entries = [words.get(part.lower()) for _, part in parts]
        if not (any(entries) or any(part[-1] in "bB" for _, part in parts)):
            return None  # as most, and before anything is made
        lexemes: list[tuple[int, Lexeme]] = []
        known = False
        for index, ((start, part), entry) in enumerate(zip(parts, entries, strict=True)):
            if (
                entry is not None
                and len(part) >= _MIN_LETTERS.get(entry.label, 4)
                and not (index and entry.facts.get("first"))
            ):
                lexemes.append((start, make_lexeme(part, entry)))
                known = known or entry.label not in ("noise", "publisher")
            elif part[0].isdigit() and lexemes:
                if lexemes[-1][1].kind & FAMILY and part[-1].isdigit():
                    lexemes.append((start, Lexeme(part, VERSION, None, unit=part.replace("_", "."), number=1)))
                elif part[-1] in "bB" and len(parts[index - 1][1]) > 2:
                    lexemes += self._shift(start, part)
                    known = True
                else:
                    lexemes.append((start, Lexeme(part, NOISE, ("noise", part, "number"))))
            elif len(part) == 1:
                lexemes.append((start, Lexeme(part, NOISE, ("noise", part, "a letter"))))
            else:
                lexemes.append((start, Lexeme(part)))
        return lexemes if known else None

    def split_around_family(self, word: str, lower: str) -> list[tuple[int, Lexeme]] | None:
        """A family inside or at the end of a word: `openllama`, `LegalBERT`."""
        if found := self._inside(lower):
            at, end = found.span()
            head = self._head(word[:at]) if at else []
            entry = self.anywhere[found[0]]
            tail = self._rest(word, end, entry) if end < len(word) else []
            return [*head, (at, make_lexeme(word[at:end], entry, "inside a word")), *tail]
        if (found := self._ending(lower)) and found.start() >= 2:
            end = found.end(1)
            entry = self.endings[found[1]]
            tail = self._rest(word, end, entry) if end < len(word) else []
            return [(0, make_lexeme(word[:end], entry, "end of a word")), *tail]
        return None

    def _head(self, text: str) -> list[tuple[int, Lexeme]]:
        """The part of a word before a family, as a known word if it is one: the `tiny` of `tinycodellama`."""
        entry = self.vocabulary.words.get(text.lower())
        return [(0, Lexeme(text) if entry is None or entry.label == "family" else make_lexeme(text, entry))]

    def split_trailing_number(self, word: str) -> list[tuple[int, Lexeme]] | None:
        """An unknown word and the number at its end: `Wenzhong2.0`."""
        found = _WORD_NUMBER.match(word)
        if found is None or word.isupper():
            return None
        number = word[found.end() :]
        return [(0, Lexeme(found[0])), (found.end(), Lexeme(number, VERSION, None, unit=number, number=1))]

    def find_phrase(
        self, text: str, words: list[str], at: int, start: int, lengths: tuple[int, ...]
    ) -> tuple[Lexemes, Lexeme, int, int] | None:
        """The longest phrase that begins in the word `at`, which starts at position `start` of the text.

        `lengths` are the numbers of words of the phrases that its first two words may begin, the largest first.
        Returns the lexemes before the phrase in that word, the phrase's lexeme, its offset in the word, and the number
        of words that it spans.
        """
        word = words[at]
        skip = self.phrase_offset(word, word.lower()) or 0
        for length in lengths:
            if at + length <= len(words):
                end = start + sum(map(len, words[at : at + length])) + length - 1
                said = text[start + skip : end]
                if said not in self.phrase_lexemes:
                    self.phrase_lexemes[said] = self.make_phrase_lexeme(said) or self.make_versioned_phrase(said)
                lexeme = self.phrase_lexemes[said]
                if lexeme is not None:
                    return self.lexemes(word[:skip]) if skip else (), lexeme, skip, length
        return None

    def make_versioned_phrase(self, text: str) -> Lexeme | None:
        """A family of several words and the version glued to it: `GOT-OCR2`, `mPLUG-Owl2.1`."""
        stem = _GLUED_VERSION.sub("", text)
        meaning = self.phrases.get(stem.lower().translate(_HYPHENS)) if stem != text and stem[-2:].isalpha() else None
        if not isinstance(meaning, Entry) or meaning.label != "family":
            return None
        lexeme = make_lexeme(stem, meaning)
        version = text[len(stem) :]
        lexeme.more = ((len(stem), Lexeme(version, VERSION, None, unit=version.lstrip("vV"), number=1)),)
        return lexeme

    def make_phrase_lexeme(self, text: str) -> Lexeme | None:
        """The lexeme that several words make together; None if they are not a phrase."""
        said = text.lower().translate(_HYPHENS)
        if _HYPHEN_DIGIT.match(text):
            return None  # `q4-2` is a number of something
        meaning = self.phrases.get(said)
        if isinstance(meaning, str):
            return make_gguf_lexeme(text, meaning)
        if meaning is not None:
            sized = _SIZE_AT_END.search(text) if meaning.label == "family" else None
            lexeme = make_lexeme(text if sized is None else text[: sized.start()], meaning)
            if sized is not None:  # `neo-7b`: the family's spelling states the size too
                lexeme.more = tuple(self._shift(sized.start(1), sized[1]))
            return lexeme
        if said[:2].isdigit() and isinstance(scheme := self.phrases.get(said[2:]), str):
            return Lexeme(text, GGUF, ("quant", scheme, "share of a mix"), number=float(said[:2]), unit=scheme)
        return None


def version_before_size(text: str, family: Entry) -> Lexeme | None:
    """The version in digits that hold it and a size of the family: the `3` of `38b` after Llama, which has no 38B."""
    found = _GLUED_SIZE.match(text)
    if found is None or found[1] in (sizes := family.facts["sizes"]):
        return None
    digits, versions = found[1], family.facts.get("versions", ())
    for end in range(1, len(digits)):
        said = digits[:end]
        version = said if said in versions else f"{said[0]}.{said[1:]}"
        if version in versions and digits[end:] in sizes:
            return Lexeme(said, VERSION, None, unit=version, number=1)
    return None
