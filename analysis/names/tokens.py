"""From a text to pieces: where its words begin and end, and what each could mean by itself.

A name is cut at its separators (`2.5` stays whole) and every word is looked up in the `Lexicon`, which reads a new word
once and remembers: names repeat their words a million times. What a word means beside others is the recognisers' part.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from analysis.vocabulary.vocabulary import Entry, Vocabulary


class Token(NamedTuple):
    """One token of a name. `label` None: no rule claimed it. `start` and `end` index the text as it was given."""

    text: str
    start: int
    end: int
    label: str | None
    value: str | None
    rule: str | None


Claim = tuple[str, str, str]  # label, value, rule

# What a piece is by itself, a bit each, so that a name knows at once which recognisers it needs.
(
    FAMILY, SHORT, NUMBER, VERSION, LETTER, SIZE, ACTIVE, EFFECTIVE, MIX, EXPERTS, TIMES, TUNING, SPECIALTY, FORMAT,
    SCHEME, GGUF, FLOAT, BITS, GROUP, FLAG, ROLE, CODE, LANGUAGE, SIZE_WORD, PUBLISHER, DATE, YEAR, OPENS, NOISE,
    EMPTY, SEES,
) = (1 << bit for bit in range(31))  # fmt: skip
WORD = 0

_KINDS = {
    "family": FAMILY,
    "tuning": TUNING,
    "specialty": SPECIALTY,
    "format": FORMAT,
    "language": LANGUAGE,
    "float": FLOAT,
    "scheme": SCHEME,
    "size word": SIZE_WORD,
    "role": ROLE,
    "flag": FLAG,
    "publisher": PUBLISHER,
    "noise": NOISE,
}
# What a piece of this kind claims if no recogniser says otherwise.
_CLAIMS = {
    "family": "family",
    "tuning": "tuning",
    "specialty": "specialty",
    "format": "format",
    "language": "languages",
    "scheme": "quant",
    "float": "quant",
    "size word": "noise",
    "flag": "how",
    "role": "role",
    "publisher": "publisher",
    "noise": "noise",
}


class Lexeme:
    """A word, or a part of one, and what it is by itself. Shared by all names that hold it: never changed.

    `number` and `unit` are the word's measure: parameters and their letter, bits, a group, or a version as `unit`.
    `more` are the pieces that follow in the same word.
    """

    __slots__ = ("claim", "entry", "kind", "more", "number", "text", "unit")

    def __init__(
        self,
        text: str,
        kind: int = WORD,
        claim: Claim | None = None,
        *,
        entry: Entry | None = None,
        number: float = 0,
        unit: str = "",
    ) -> None:
        self.text, self.kind, self.claim, self.entry, self.number, self.unit = text, kind, claim, entry, number, unit
        self.more: Pieces = ()

    def copy(self, kind: int) -> Lexeme:
        """The same piece by itself, of this kind."""
        return Lexeme(self.text, kind, self.claim, entry=self.entry, number=self.number, unit=self.unit)


Pieces = tuple[tuple[int, Lexeme], ...]  # (offset in the word, piece)

# Separators; a dot between digits stays inside its word.
_SEPARATORS = "-_/ +,;:()[]{}@=~|&!'\"#%*<>?\\^`$"
_DASHES = bytes(ord("-") if chr(byte) in _SEPARATORS else byte for byte in range(256))
_split = re.compile(rf"[\s{re.escape(_SEPARATORS)}]|(?<![0-9])\.|\.(?![0-9])").split


def cut(text: str) -> list[str]:
    """The words of a name."""
    if "." in text:
        head, _, tail = text.rpartition(".")
        if "." in head or not tail.isalpha():
            return _split(text)
        text = f"{head}-{tail}"
    if not text.isascii():
        return _split(text)
    return text.encode().translate(_DASHES).decode().split("-")


UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_COUNT = r"[0-9]{1,3}(?:[._][0-9]{1,3})?|[0-9]{4}(?=[km])|[0-9]{1,3}[pd][0-9]{1,2}"
_PATTERNS = (  # tried in this order; the first that matches the whole lower-case word wins
    ("number", r"[0-9]+(?:[._][0-9]+)*n?"),
    ("sees", r"([0-9]{1,2}(?:\.[0-9]{1,2})?)v"),
    ("size", rf"({_COUNT})([kmbt])(?:n|illion|params?)?"),
    ("version", r"(?:v|ver|version|rev)\.?([0-9]{1,4}(?:[._][0-9]{1,4})*[a-e]?)(?:final|beta|alpha|fix|rc[0-9]?|it)?"),
    ("lettered", rf"[cdf-rtuw-z]({_COUNT})(b)|p([0-9]{{2,3}})(m)"),
    ("mix", rf"([0-9]{{1,3}})[x×]({_COUNT})([bm])"),
    ("active", rf"a({_COUNT})([bm])"),
    ("effective", r"e([0-9]{1,3}(?:\.[0-9]{1,2})?)b"),
    ("xim", rf"({_COUNT})([bm])x([0-9]{{1,2}})"),
    ("bloom", r"([0-9]{1,2})([bm])([0-9])"),
    ("pair", rf"({_COUNT})ba?({_COUNT})b"),
    ("bpw", r"([0-9]{1,2}(?:[._][0-9]{1,4})?)bpw(?:h[0-9])?|bpw([0-9]{1,2}(?:\.[0-9]{1,4})?)"),
    ("bits", r"([0-9]{1,2}(?:\.[0-9]{1,3})?)-?bits?(?:mlx|awq)?"),
    ("activation", r"w([0-9]{1,2})a([0-9]{1,2})(?:fp|o)?(?:g([0-9]{1,4}))?(?:kv[0-9]+)?"),
    ("web", r"q([0-9])(f16|f32|bf16)"),
    ("mlx", r"oq([2-8])(?:e|plus)?|mx([2-8])|([2-8])b?it-?mlx|mlx-?([2-8])(?:bit)?"),
    (
        "group",
        r"(?:gs?(16|32|64|128|256|512|1024)|group(?:size)?(32|64|128|256|512|1024)|(16|32|64|128|256|512|1024)g)",
    ),
    ("share", r"([0-9]{2})(i?q[0-9].*|b?f16|f32)"),
    ("times", r"x([0-9]{1,2})|([0-9]{1,2})x"),
    ("experts", r"([0-9]{1,3})e"),
    ("short", r"(l|q|g|mn|ms|ml|y)([0-9](?:\.[0-9])?)"),
    ("letter", r"([a-z])([0-9]{1,2}(?:\.[0-9]{1,2})?)"),
    (
        "noise",
        r"(?:e|ep|epochs?|steps?|ckpts?|cp|checkpoints?|iters?|iteration|lr|bs|batch|batchsize|seed|wd|seq|len|maxlen|rank"
        r"|r|alpha|runs?|fold|layers?|[lnhtdfksp]|top|topk|stage|phase|part|split|set|exp|trial|num|b|beta|gen|round|level"
        r"|day|lora|dim|c|m|sm|cu|cuda|sp|drop|warmup|kl|eps|temp|ctx|patch|gpu|pct|chunk|bin|idx|id|no|hz|samples?)"
        r"[0-9]+(?:[._][0-9]+)?[kmbh]?|lr[0-9.]+e[0-9]*|hb[0-9]|[0-9]+p[0-9]+|[0-9]+i|[0-9]{1,4}x[0-9]{1,4}"
        r"|[0-9]+(?:[._][0-9]+)?(?:ep|epochs?|steps?|ksteps?|h|hrs?|hours?|hz|khz|px|ms|gb|mb|kb|tb|shots?|way|th|nd|st|rd"
        r"|s|d|layers?|l|experts?|pct|percent|p|c|n|w|v|alp|lam|lr|iters?|it|ctx|tokens?|tok|samples?|k?examples|kn|fps"
        r"|min|class|classes|labels|ways|hop|days?|y|yr|epo|r|heads?|gpus?|batch|bs|e[0-9]*)"
        r"|(?=[0-9a-f]{0,64}[0-9])(?=[0-9a-f]{0,64}[a-f])[0-9a-f]{7,64}|0x[0-9a-f]+",
    ),
)
# `2507`, `240806`, `20240806`, `202408`, `0528`; 1024 and 1212 count more often than they date.
_DATE = re.compile(
    r"(?!1024\Z|1212\Z)"
    r"(?:(?:20)?2[0-9](?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])|2[0-9](?:0[1-9]|1[0-2])|20[12][0-9](?:0[1-9]|1[0-2])"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]))"
)
_DIGITS = re.compile("|".join(f"(?P<{name}>(?:{pattern})\\Z)" for name, pattern in _PATTERNS))
_HAS_DIGIT = re.compile(r"[0-9]").search
_HEAD = re.compile(r"[a-z]+(?![a-z])")
_HEAD_DIGITS = re.compile(r"[a-z]+[0-9]+(?=[a-z])")
_AFTER_FAMILY = re.compile(r"v?([0-9]{1,2}(?:[._dp][0-9]{1,2})*(?:n(?![a-z]))?)(?=[A-Z]|[a-z]{3}|[aeAE][0-9]|\Z)")
_SIZE_THEN_WORD = re.compile(
    r"[0-9]{1,3}(?:\.[0-9]{1,2})?[bB](?=[A-Z][A-Za-z])|[0-9]{2,3}M(?=[A-Z][a-z])|[0-9]{1,3}(?:\.[0-9])?[bB](?=[a-z]{4})"
)
_WORD_THEN_SIZE = re.compile(r"[A-Za-z]{3,}(?=[0-9]{1,3}(?:[._][0-9]{1,2})?[bB]\Z|[0-9]{2,3}[mM]\Z)")
_HUMP = re.compile(
    r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+(?:[._][0-9]+)*[bBmM]?(?![a-z])|[^A-Za-z0-9]+|[0-9]+"
)
_SHORTHAND = {"l": "llama", "q": "qwen", "g": "gemma", "mn": "mistral", "ms": "mistral", "ml": "mistral", "y": "yi"}
_POINTS = str.maketrans("_dp", "...")
_WORD_NUMBER = re.compile(r"[A-Za-z]{3,}(?=[0-9]{1,2}(?:\.[0-9]{1,2})?\Z)")
_HYPHENS = str.maketrans("_. ", "---")
_HYPHEN_DIGIT = re.compile(r"i?q[0-9]-[0-9]", re.I)
_GLUED_SCHEME = re.compile(r"(?<=[a-z])I?Q[1-8]\Z")
_BARE_BITS = re.compile(r"i?q([1-8])\Z")
_SHORTEST = {"tuning": 3, "specialty": 3, "noise": 2, "size word": 4, "format": 3}  # letters of a word among humps
LONGEST_WORD = 64
MAX_CACHED_WORDS = 200_000


class Lexicon(dict[str, Lexeme]):
    """word -> its first piece, the others in its `more`; filled as words are met, emptied before it grows large.

    `phrases` maps what several words say together, their separators as `-`, to the piece that they make.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.gguf = spellings(vocabulary)
        self.phrases: dict[str, Entry | str] = {}
        self.opens: dict[str, dict[str, tuple[int, ...]]] = {}  # first word of phrases -> second -> lengths, long first
        self.openers: dict[str, tuple[dict[str, tuple[int, ...]], int]] = {}  # by words as written, and where it begins
        self.said: dict[str, Lexeme | None] = {}  # what `phrase` answered
        for scheme, canonical in self.gguf.items():
            self._add_phrase(scheme.lower().replace("_", "-"), canonical)
        for found in vocabulary.phrases.values():
            for parts, entry in found:
                self._add_phrase("-".join(parts), entry)
        self.anywhere = dict(vocabulary.anywhere)
        self.endings = dict(vocabulary.endings)
        self._inside = re.compile("|".join(map(re.escape, self.anywhere)) or r"(?!)").search
        self._ending = re.compile(f"({'|'.join(map(re.escape, self.endings)) or '(?!)'})[0-9.]*\\Z").search

    def _add_phrase(self, phrase: str, meaning: Entry | str) -> None:
        words = phrase.split("-")
        if len(words) > 1 and phrase not in self.phrases:
            self.phrases[phrase] = meaning
            seconds = self.opens.setdefault(words[0], {})
            seconds[words[1]] = tuple(sorted({len(words), *seconds.get(words[1], ())}, reverse=True))

    def __missing__(self, word: str) -> Lexeme:
        if len(self) >= MAX_CACHED_WORDS:
            self.clear()
            self.openers.clear()
            self.said.clear()
        pieces = self.read(word, word.lower())
        first = pieces[0][1]
        if len(pieces) > 1:
            first = first.copy(first.kind)
            first.more = tuple(pieces[1:])
        self[word] = first
        return first

    def pieces(self, word: str) -> Pieces:
        first = self[word]
        return ((0, first.copy(first.kind) if first.more else first), *first.more)

    def read(self, word: str, lower: str) -> list[tuple[int, Lexeme]]:
        """The pieces of one word; the first one opens a phrase if the word does."""
        pieces = self.read_word(word, lower)
        at = self.opening_at(word, lower)
        if at is not None:
            pieces[0] = (0, pieces[0][1].copy(pieces[0][1].kind | OPENS))
            first = lower[at:]
            self.openers[word] = self.opens[first if first in self.opens else first[2:]], at
        return pieces

    def opening_at(self, word: str, lower: str) -> int | None:
        """Where in a word a phrase may begin: at its start, after a share (`55IQ2`), at a scheme (`devstralQ4`)."""
        if lower in self.opens:
            return 0
        if lower.isalpha():
            return None
        if lower[:2].isdigit() and lower[2:] in self.opens:
            return 0
        glued = _GLUED_SCHEME.search(word)
        return glued.start() if glued and lower[glued.start() :] in self.opens else None

    def read_word(self, word: str, lower: str) -> list[tuple[int, Lexeme]]:
        """The pieces of one word. A word that nothing knows is one piece without a kind."""
        known = self.vocabulary.words.get(lower)
        if known is not None:
            return [(0, piece_of(word, known))]
        if not word or len(word) > LONGEST_WORD:
            return [(0, Lexeme(word, WORD if word else EMPTY))]
        if lower in ("bit", "bits"):
            return [(0, Lexeme(word, BITS))]
        if _HAS_DIGIT(word):
            found = self.read_number(word, lower)
            if found is not None:
                return found
        elif word == "MN":
            return [(0, Lexeme(word, SHORT, None, entry=self.vocabulary.words.get("mistral")))]
        elif len(word) == 1:
            return [(0, Lexeme(word, NOISE, ("noise", word, "a letter")))]
        elif (language := self.vocabulary.codes.get(lower)) is not None:
            return [(0, Lexeme(word, CODE, None, entry=language))]
        if word.isascii() and word.isalpha():  # nothing is glued by digits, and few by their capitals
            humps = None if word[1:].islower() else self.read_humps(word)
            return humps or self.read_inside(word, lower) or [(0, Lexeme(word))]
        return (
            self.read_glued(word, lower)
            or self.read_humps(word)
            or self.read_inside(word, lower)
            or self.read_numbered(word)
            or [(0, Lexeme(word))]
        )

    def read_number(self, word: str, lower: str) -> list[tuple[int, Lexeme]] | None:
        """Sizes, versions, bits, groups and the noise of training: a word with digits that follows a pattern."""
        scheme = self.gguf.get(word.upper())
        if scheme is not None:
            return [(0, gguf_piece(word, scheme))]
        if lower == "1.58":
            return [(0, Lexeme(word, BITS, ("bits", lower, "ternary weights"), number=1.58, unit="bits"))]
        if found := _BARE_BITS.match(lower):
            return [(0, Lexeme(word, BITS, ("bits", found[1], "bits"), number=float(found[1]), unit="q"))]
        match = _DIGITS.match(lower)
        if match is None:
            return None
        return self._pair(word) if match.lastgroup == "pair" else [(0, self._number(word, match))]

    def _number(self, word: str, match: re.Match[str]) -> Lexeme:
        name = match.lastgroup or ""
        values = [value for value in match.groups()[match.lastindex or 0 :] if value is not None]
        if name == "number":
            if _DATE.fullmatch(word):
                return Lexeme(word, DATE, ("release", word, "date"), unit=word)
            kind = NUMBER | YEAR if "2019" < word < "2030" and len(word) == 4 else NUMBER
            return Lexeme(word, kind, None, unit=word.lower().replace("_", "."))
        if name == "sees":
            return Lexeme(word, VERSION | SEES, None, unit=values[0])
        if name in ("size", "lettered"):
            return size_piece(word, count(values[0]) * UNITS[values[1]], values[1])
        if name == "version":
            return Lexeme(word, VERSION, None, unit=values[0].replace("_", "."))
        if name == "mix":
            return Lexeme(word, MIX, None, number=count(values[1]) * UNITS[values[2]], unit=values[0])
        if name == "xim":
            return Lexeme(word, MIX, None, number=count(values[0]) * UNITS[values[1]], unit=values[2])
        if name == "active":
            return Lexeme(word, ACTIVE, None, number=count(values[0]) * UNITS[values[1]])
        if name == "effective":
            return Lexeme(word, EFFECTIVE, None, number=float(values[0]) * 1e9)
        if name == "bloom":
            number = float(f"{values[0]}.{values[2]}") * UNITS[values[1]]
            return size_piece(word, number, values[1])
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
            if not scheme and values[1] not in self.opens:
                return Lexeme(word)
            return Lexeme(word, GGUF, ("quant", scheme, "share of a mix"), number=float(values[0]), unit=scheme)
        if name == "times":
            return Lexeme(word, TIMES, None, number=float(values[0]))
        if name == "experts":
            return Lexeme(word, EXPERTS, ("noise", word, "training or measure"), number=float(values[0]), unit=word[-1])
        if name == "short":
            family = self.vocabulary.words.get(_SHORTHAND[values[0]])
            return Lexeme(word, SHORT | LETTER, None, entry=family, unit=values[1])
        if name == "letter":
            return Lexeme(word, LETTER, None, unit=word.upper())
        return Lexeme(word, NOISE, ("noise", word, "training or measure"))

    def _pair(self, word: str) -> list[tuple[int, Lexeme]]:
        """`1b14b` and `30bA3b`: two sizes glued."""
        return self._split(word, word.lower().index("b") + 1)

    def read_glued(self, word: str, lower: str) -> list[tuple[int, Lexeme]] | None:
        """`Qwen2.5`, `llama7b`, `gemma3n`, `Qwen3Guard`: a family with what follows it; `8BInstruct`, `model7b`."""
        words = self.vocabulary.words
        for pattern in (_HEAD_DIGITS, _HEAD):
            head = pattern.match(lower)
            if head is not None and 1 < head.end() < len(word):
                entry = words.get(head[0])
                if entry is None:
                    continue
                if entry.label in ("family", "publisher"):
                    return [(0, piece_of(word[: head.end()], entry)), *self._rest(word, head.end())]
                if lower[head.end() :].isdigit():
                    return self._split(word, head.end())  # `instruct2`, `chat3`: the word and its number
        found = _SIZE_THEN_WORD.match(word) or _WORD_THEN_SIZE.match(word)
        return self._split(word, found.end()) if found else None

    def _rest(self, word: str, at: int) -> list[tuple[int, Lexeme]]:
        """What follows a family inside its word: a version, and then what may come."""
        rest = word[at:]
        found = _AFTER_FAMILY.match(rest)
        size = _DIGITS.match(rest.lower())
        if found is None or (size is not None and size.lastgroup in ("size", "mix", "bloom")):
            return self._shift(at, rest)
        said = found[1].translate(_POINTS)
        version = Lexeme(rest[: found.end()], VERSION, None, unit=said, number=1)
        return [(at, version), *self._shift(at + found.end(), rest[found.end() :])]

    def _shift(self, offset: int, text: str) -> list[tuple[int, Lexeme]]:
        return [(offset + start, piece) for start, piece in self.pieces(text)] if text else []

    def _split(self, word: str, at: int) -> list[tuple[int, Lexeme]]:
        return self._shift(0, word[:at]) + self._shift(at, word[at:])

    def read_humps(self, word: str) -> list[tuple[int, Lexeme]] | None:
        """`DarkQwen3`, `NeuralHermes`, `MiniGuard`: words glued by their capitals, if one of them means something."""
        humps = [(found.start(), found[0]) for found in _HUMP.finditer(word)]
        if not 2 <= len(humps) <= 8:
            return None
        pieces: list[tuple[int, Lexeme]] = []
        known = False
        for index, (start, hump) in enumerate(humps):
            entry = self.vocabulary.words.get(hump.lower())
            if (
                entry is not None
                and len(hump) >= _SHORTEST.get(entry.label, 4)
                and not (index and entry.facts.get("first"))
            ):
                pieces.append((start, piece_of(hump, entry)))
                known = known or entry.label not in ("noise", "publisher")
            elif hump[0].isdigit() and pieces:
                if pieces[-1][1].kind & FAMILY and hump[-1].isdigit():
                    pieces.append((start, Lexeme(hump, VERSION, None, unit=hump.replace("_", "."), number=1)))
                elif hump[-1] in "bB" and len(humps[index - 1][1]) > 2:
                    pieces += self._shift(start, hump)
                    known = True
                else:
                    pieces.append((start, Lexeme(hump, NOISE, ("noise", hump, "number"))))
            elif len(hump) == 1:
                pieces.append((start, Lexeme(hump, NOISE, ("noise", hump, "a letter"))))
            else:
                pieces.append((start, Lexeme(hump)))
        return pieces if known else None

    def read_inside(self, word: str, lower: str) -> list[tuple[int, Lexeme]] | None:
        """`openllama`, `LegalBERT`: a family inside or at the end of a word."""
        if found := self._inside(lower):
            at, end = found.span()
            head = self._head(word[:at]) if at else []
            tail = self._rest(word, end) if end < len(word) else []
            return [*head, (at, piece_of(word[at:end], self.anywhere[found[0]], "inside a word")), *tail]
        if (found := self._ending(lower)) and found.start() >= 2:
            end = found.end(1)
            tail = self._rest(word, end) if end < len(word) else []
            return [(0, piece_of(word[:end], self.endings[found[1]], "end of a word")), *tail]
        return None

    def _head(self, text: str) -> list[tuple[int, Lexeme]]:
        """What stands before a family inside a word, if that is a word by itself: the `tiny` of `tinycodellama`."""
        entry = self.vocabulary.words.get(text.lower())
        return [(0, Lexeme(text) if entry is None or entry.label == "family" else piece_of(text, entry))]

    def read_numbered(self, word: str) -> list[tuple[int, Lexeme]] | None:
        """`Wenzhong2.0`: a word that nothing knows, and its number."""
        found = _WORD_NUMBER.match(word)
        if found is None or word.isupper():
            return None
        number = word[found.end() :]
        return [(0, Lexeme(found[0])), (found.end(), Lexeme(number, VERSION, None, unit=number, number=1))]

    def phrase_at(self, text: str, words: list[str], at: int, start: int) -> tuple[Pieces, Lexeme, int, int] | None:
        """The longest phrase that a word opens: what stands before it in that word, its piece, where it begins in the
        word, and how many words it takes."""
        word = words[at]
        opener = self.openers.get(word)
        if opener is None:
            return None
        seconds, skip = opener
        for length in seconds.get(words[at + 1].lower(), ()):
            if at + length <= len(words):
                end = start + sum(map(len, words[at : at + length])) + length - 1
                said = text[start + skip : end]
                if said not in self.said:
                    self.said[said] = self.phrase(said)
                piece = self.said[said]
                if piece is not None:
                    return self.pieces(word[:skip]) if skip else (), piece, skip, length
        return None

    def phrase(self, text: str) -> Lexeme | None:
        """The piece that several words make together, None if they make none."""
        said = text.lower().translate(_HYPHENS)
        if _HYPHEN_DIGIT.match(text):
            return None  # `q4-2` counts something
        meaning = self.phrases.get(said)
        if meaning is not None:
            return gguf_piece(text, meaning) if isinstance(meaning, str) else piece_of(text, meaning)
        if said[:2].isdigit() and isinstance(scheme := self.phrases.get(said[2:]), str):
            return Lexeme(text, GGUF, ("quant", scheme, "share of a mix"), number=float(said[:2]), unit=scheme)
        return None


def piece_of(text: str, entry: Entry, rule: str = "") -> Lexeme:
    """The piece that a vocabulary's word makes."""
    label = _CLAIMS.get(entry.label)
    claim = None if label is None else (label, entry.value, rule or entry.file)
    scheme = entry.scheme
    number = (scheme.nominal_bits or 0) if scheme is not None else 0
    if scheme is not None and scheme.bits_in_alias:
        number = float(next((letter for letter in text if letter.isdigit()), 0))
    return Lexeme(text, _KINDS[entry.label], claim, entry=entry, number=number, unit=rule)


def size_piece(text: str, number: float, unit: str) -> Lexeme:
    return Lexeme(text, SIZE, ("size", canonical(text), "size"), number=round(number), unit=unit)


def gguf_piece(text: str, scheme: str) -> Lexeme:
    return Lexeme(text, GGUF, ("quant", scheme, "schemes.toml"), unit=scheme)


def count(text: str) -> float:
    """`1.5`, `1_5`, `1p5` and `1d5` are one and a half, `05` is a half."""
    if text[0] == "0" and text.isdigit():
        return float(f"0.{text[1:] or 0}")
    return float(text.replace("_", ".").replace("p", ".").replace("d", "."))


_COUNTED = re.compile(r"([AE]?)([0-9]+(?:[._PD][0-9]+)?)([KMBT])([0-9]?)")


def canonical(text: str) -> str:
    """`1_8b`, `0p6b`, `05b` and `1b5` as 1.8B, 0.6B, 0.5B and 1.5B; letters around them are no part of it."""
    found = _COUNTED.search(text.upper())
    if found is None:
        return text.upper()
    mark, number, unit, after = found.groups()
    number = number.replace("_", ".").replace("P", ".").replace("D", ".")
    if number[0] == "0" and number.isdigit() and len(number) > 1:
        number = f"0.{number[1:]}"
    return f"{mark}{number}{'.' + after if after else ''}{unit}"


def spellings(vocabulary: Vocabulary) -> dict[str, str]:
    """Spelling in capitals -> GGUF scheme: with suffixes, and without underscores where letters make it plain."""
    table = vocabulary.schemes
    schemes = {scheme.name: scheme.name for scheme in table.schemes.values() if scheme.kind == "gguf"}
    for scheme in tuple(schemes):
        for suffix in table.suffixes:
            schemes.setdefault(f"{scheme}_{suffix}", f"{scheme}_{suffix}")
    for scheme in tuple(schemes):
        head, *tail = scheme.split("_")
        if tail and not tail[0][0].isdigit():
            schemes.setdefault(head + "".join(tail), scheme)
            schemes.setdefault("_".join([head + tail[0], *tail[1:]]), scheme)
    return schemes
