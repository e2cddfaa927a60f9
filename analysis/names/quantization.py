"""How a model was quantized, as its name says: scheme, method, bits, container, and the flags around them."""

from __future__ import annotations

from analysis.names.name_labels import NameLabels, TokenSequence
from analysis.names.tokens import (
    BITS,
    FLAG,
    FLOAT,
    FORMAT,
    GGUF,
    GROUP,
    NUMBER,
    PUBLISHER,
    ROLE,
    SCHEME,
    SIZE,
    VERSION,
    Lexeme,
)  # fmt: skip
from analysis.schemes.schemes import nominal_bits
from analysis.vocabulary.vocabulary import Entry

RECOGNIZED_KINDS = BITS | FLAG | FLOAT | FORMAT | GGUF | GROUP | SCHEME | ROLE

# What a bitsandbytes model is, by its bits; 4 where the name does not say.
BITSANDBYTES = {4: "BNB-NF4", 8: "BNB-INT8"}


def recognize_quantization(tokens: TokenSequence, labels: NameLabels) -> None:
    found = QuantizationClaims()
    for index, lexeme in enumerate(tokens.lexemes):
        kind = lexeme.kind
        if kind & RECOGNIZED_KINDS:
            found.take(tokens, index, lexeme)
    found.resolve(labels)


def apply_owner(labels: NameLabels, entry: Entry) -> None:
    """A name that states no format takes the one that its account publishes."""
    if labels.format is None:
        labels.format = entry.facts.get("format")
        if labels.format == "mlx":
            apply_mlx_scheme(labels)


def is_bare_bits(tokens: TokenSequence, index: int) -> bool:
    """Whether `q4` means four bits: the `Q3` of `Q3-32B` is a family in short, `Q1_K` an unknown scheme."""
    if index + 1 == len(tokens.lexemes):
        return index > 0
    after = tokens.lexemes[index + 1]
    unknown = tokens.before(index + 1) == "_" and len(after.text) == 1
    return index > 0 and not after.kind & SIZE and not unknown


def stands_alone(tokens: TokenSequence, index: int) -> bool:
    """Whether `ov` stands where a container does: last, or beside a type of weights."""
    lexemes = tokens.lexemes
    beside = lexemes[index - 1 : index] + lexemes[index + 1 : index + 2]
    return index == len(lexemes) - 1 or any(lexeme.kind & (BITS | FLOAT | SCHEME) for lexeme in beside)


def is_version_of(before: Lexeme, lexeme: Lexeme) -> bool:
    """The `I1` of `HiDream-I1`: a version of the family before it, no importance matrix."""
    facts = before.entry.facts if before.entry is not None else {}
    return lexeme.text[0].lower() in facts.get("letters", "") and lexeme.text[1:].isdigit()


def is_unsloth_account(tokens: TokenSequence, index: int) -> bool:
    """`unsloth-bnb-4bit` is the account's dynamic kind, which leaves some layers at 16 bits."""
    lexeme = tokens.lexemes[index]
    return bool(lexeme.kind & PUBLISHER) and lexeme.entry is not None and lexeme.entry.value == "unsloth"


class QuantizationClaims:
    """What a name claims about its quantization, before it is resolved."""

    format: Entry | None = None
    gguf: str | None = None
    last = last_float = -1
    share = 0.0
    floats: tuple[str, ...] = ()
    schemes: tuple[Lexeme, ...] = ()
    bits: float | None = None
    bits_unit = ""
    group: int | None = None
    method: str | None = None
    qat = imatrix = dynamic = quantized = unquantized = False

    def take(self, tokens: TokenSequence, index: int, lexeme: Lexeme) -> None:
        kind = lexeme.kind
        if kind & (GGUF | SCHEME | BITS):
            self.unquantized = False
        if kind & GGUF:
            if lexeme.number >= self.share:  # shares of a mix count by size, else the last one counts
                self.gguf, self.share = lexeme.unit, lexeme.number
            if lexeme.unit in ("F32", "F16", "BF16"):
                self.floats += (lexeme.unit,)
        elif kind & SCHEME:
            if index == 0 and len(tokens.lexemes) > 1 and tokens.lexemes[1].kind & (SIZE | VERSION):
                tokens.claims[0] = None  # `fp4-14b`: a model that is called so
                return
            self.last = index
            self.schemes += (lexeme,)
            scheme = lexeme.entry.scheme if lexeme.entry is not None else None
            self.imatrix = self.imatrix or (scheme is not None and scheme.imatrix)
            if lexeme.unit == "activation" and (group := lexeme.text.lower().partition("g")[2]).isdigit():
                self.group = int(group)
            if scheme is not None and scheme.bits_follow:
                self.follow(tokens, index + 1)
            if (
                index
                and lexeme.entry is not None
                and lexeme.entry.value == "BNB"
                and is_unsloth_account(tokens, index - 1)
            ):
                self.dynamic = True
        elif kind & FLOAT:
            assert lexeme.entry is not None
            self.floats += (lexeme.entry.value,)
            self.last_float = index
        elif kind & FORMAT:
            assert lexeme.entry is not None
            if lexeme.text.lower() == "ov" and not stands_alone(tokens, index):
                tokens.claims[index] = None
                return
            if self.format is None or self.format.value not in ("gguf", "mlx"):
                self.format = lexeme.entry
        elif kind & BITS:
            if not lexeme.number:
                lexeme = self.spelled(tokens, index)
            elif lexeme.unit == "q" and not is_bare_bits(tokens, index):
                tokens.claims[index] = None
                return
            if lexeme.number and (self.bits is None or (lexeme.unit in ("bpw", "bits") and self.bits_unit != "bpw")):
                self.bits, self.bits_unit = lexeme.number, lexeme.unit
        elif kind & GROUP:
            self.group = int(lexeme.number)
        elif kind & FLAG:
            assert lexeme.entry is not None
            if not (index and is_version_of(tokens.lexemes[index - 1], lexeme)):
                self.flag(lexeme.entry.value)
        elif lexeme.entry is not None and lexeme.entry.value == "imatrix":
            self.imatrix = True

    def follow(self, tokens: TokenSequence, index: int) -> None:
        """`MoQ-7.55`: the number after the scheme is its bits."""
        if index < len(tokens.lexemes) and tokens.lexemes[index].kind & NUMBER and "." in tokens.lexemes[index].unit:
            self.bits, self.bits_unit = float(tokens.lexemes[index].unit), "bpw"
            tokens.claims[index] = ("bits", tokens.lexemes[index].unit, "bits")

    def spelled(self, tokens: TokenSequence, index: int) -> Lexeme:
        """`4-bit`: the number stands before the word."""
        lexeme = tokens.lexemes[index]
        before = tokens.lexemes[index - 1] if index else lexeme
        if before.kind & NUMBER and "_" in before.text:  # `mixed-3_4-bit`: some layers at 3, some at 4
            self.dynamic = self.quantized = True
            tokens.claims[index - 1] = tokens.claims[index] = ("how", "dynamic", "bits of a mix")
        elif before.kind & NUMBER and before.unit.replace(".", "", 1).isdigit() and 0 < float(before.unit) <= 16:
            bits = float(before.unit)
            tokens.claims[index - 1] = tokens.claims[index] = ("bits", f"{bits:g}", "bits")
            return Lexeme(lexeme.text, BITS, number=bits, unit="bits")
        return lexeme

    def flag(self, value: str) -> None:
        if value == "qat":
            self.qat = True
        elif value == "dynamic":
            self.dynamic = True
        elif value == "imatrix":
            self.imatrix = True
        elif value == "unquantized":
            self.unquantized = True  # of what was said so far: `qat-q4_0-unquantized.Q3_K_L` is Q3_K_L
            self.gguf, self.share, self.bits, self.imatrix = None, 0.0, None, False
            self.schemes = ()
        elif value == "quantized":
            self.quantized = True
        else:
            self.method = value

    def resolve(self, labels: NameLabels) -> None:
        labels.qat, labels.imatrix = self.qat, self.imatrix
        if labels.format is None and self.format is not None:
            labels.format = self.format.value
        if self.unquantized and not self.imatrix:
            labels.quantized = False
            if self.floats:
                labels.quant, labels.bits = self.floats[-1], nominal_bits(self.floats[-1])
            return
        if self.gguf is not None:
            self.resolve_gguf(labels)
        elif self.schemes and not (labels.format == "gguf" and self.last_float > self.last):
            self.resolve_scheme(labels)
        elif self.bits is not None:
            self.resolve_bits(labels)
        elif self.floats:
            labels.quant, labels.bits, labels.quantized = self.floats[-1], nominal_bits(self.floats[-1]), False
        elif self.imatrix or self.dynamic or self.quantized:
            labels.quantized = True
        if labels.quant_method is None and labels.quantized and labels.format in METHODS:
            labels.quant_method = labels.format
        if labels.quantized:
            labels.group_size = self.group
            if self.method is not None and labels.quant_method in REPLACED_METHODS:
                labels.quant_method = self.method
        labels.dynamic = self.dynamic and labels.quant_method not in ("fp8", "compressed-tensors")

    def resolve_gguf(self, labels: NameLabels) -> None:
        scheme = self.gguf or ""
        labels.quant, labels.quantized = scheme, True
        labels.bits = self.bits if self.bits_unit == "bpw" else nominal_bits(scheme)
        labels.quant_method = labels.format if labels.format in METHODS else "gguf"

    def resolve_scheme(self, labels: NameLabels) -> None:
        best = max(self.schemes, key=method_rank)
        scheme = best.entry.scheme if best.entry is not None else None
        labels.quantized = True
        bits = self.bits
        others = (lexeme.entry.scheme for lexeme in self.schemes if lexeme is not best and lexeme.entry is not None)
        methods = [other.method for other in others if other is not None and other.method]
        if scheme is None:
            labels.quant = best.claim[1] if best.claim else None
            labels.bits = best.number
            method = next(iter(methods), None)
            labels.quant_method = method or (labels.format if best.unit == "web" else "compressed-tensors")
            return
        labels.quant, labels.quant_method = scheme.name, scheme.method or next(iter(methods), None)
        if scheme.method in NUMBER_FORMAT_METHODS:
            quantizers = (method for method in methods if method not in NUMBER_FORMAT_METHODS)
            labels.quant_method = next(quantizers, scheme.method)
        if bits is None:
            bits = next((lexeme.number for lexeme in self.schemes if lexeme.number and lexeme is not best), None)
        labels.bits = scheme.nominal_bits or best.number or bits or scheme.default_bits
        if scheme.name == "BNB":
            labels.quant = BITSANDBYTES.get(int(labels.bits or 0))
        labels.format = scheme.container or labels.format
        if labels.format == "mlx":
            apply_mlx_scheme(labels)
        elif labels.format == "gguf" or (labels.quant_method is None and labels.format in METHODS):
            labels.quant_method = labels.format

    def resolve_bits(self, labels: NameLabels) -> None:
        labels.bits, labels.quantized = self.bits, True
        if self.bits_unit == "q" and labels.format in ("gguf", "ggml"):
            labels.quant, labels.quant_method = f"Q{self.bits:g}", labels.format
        if self.bits_unit == "mlx" and labels.format is None:
            labels.format = "mlx"
        if labels.format == "mlx":
            apply_mlx_scheme(labels)
        elif self.bits == 1.58:
            labels.quant, labels.quant_method = "BITNET", "bitnet"


def apply_mlx_scheme(labels: NameLabels) -> None:
    """MLX's own schemes are named by their bits alone."""
    if labels.quantized:
        labels.quant_method = "mlx"
        bits = labels.bits
        if (labels.quant is None or labels.quant.startswith("INT")) and bits is not None:
            labels.quant = f"MLX-{bits:g}BIT"


NUMBER_FORMAT_METHODS = {"fp8", "modelopt", "mxfp4", "mxfp6", "mxfp8"}  # where no other quantizer is named
REPLACED_METHODS = {
    *NUMBER_FORMAT_METHODS,
    "autoround",
    "compressed-tensors",
    None,
}  # where the name says who packed it
METHODS = {"gguf", "ggml", "mlx", "onnx", "openvino", "mlc"}


def method_rank(lexeme: Lexeme) -> float:
    if lexeme.entry is None or lexeme.entry.scheme is None:
        return 7 if lexeme.unit == "web" else 5.5  # W4A16 says more than AutoRound, NVFP4 more than W4A4
    return lexeme.entry.scheme.rank
