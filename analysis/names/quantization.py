"""How a model was quantized, as its name says: scheme, method, bits, container, and the flags around them."""

from __future__ import annotations

from analysis.names.name_labels import Draft, TokenSequence
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

READS = BITS | FLAG | FLOAT | FORMAT | GGUF | GROUP | SCHEME | ROLE

# What a bitsandbytes model is, by its bits; 4 where the name does not say.
BITSANDBYTES = {4: "BNB-NF4", 8: "BNB-INT8"}


def recognize_quantization(sheet: TokenSequence, draft: Draft) -> None:
    found = QuantizationClaims()
    for index, piece in enumerate(sheet.pieces):
        kind = piece.kind
        if kind & READS:
            found.take(sheet, index, piece)
    found.resolve(draft)


def owner(draft: Draft, entry: Entry) -> None:
    """A name that states no format takes the one that its account publishes."""
    if draft.format is None:
        draft.format = entry.facts.get("format")
        if draft.format == "mlx":
            apply_mlx_scheme(draft)


def is_bare_bits(sheet: TokenSequence, index: int) -> bool:
    """Whether `q4` means four bits: the `Q3` of `Q3-32B` is a family in short, `Q1_K` an unknown scheme."""
    if index + 1 == len(sheet.pieces):
        return index > 0
    after = sheet.pieces[index + 1]
    unknown = sheet.before(index + 1) == "_" and len(after.text) == 1
    return index > 0 and not after.kind & SIZE and not unknown


def stands_alone(sheet: TokenSequence, index: int) -> bool:
    """Whether `ov` stands where a container does: last, or beside a type of weights."""
    pieces = sheet.pieces
    beside = pieces[index - 1 : index] + pieces[index + 1 : index + 2]
    return index == len(pieces) - 1 or any(piece.kind & (BITS | FLOAT | SCHEME) for piece in beside)


def is_unsloth_account(sheet: TokenSequence, index: int) -> bool:
    """`unsloth-bnb-4bit` is the account's dynamic kind, which leaves some layers at 16 bits."""
    piece = sheet.pieces[index]
    return bool(piece.kind & PUBLISHER) and piece.entry is not None and piece.entry.value == "unsloth"


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
    qat = imatrix = dynamic = quantized = unquantized = False

    def take(self, sheet: TokenSequence, index: int, piece: Lexeme) -> None:
        kind = piece.kind
        if kind & (GGUF | SCHEME | BITS):
            self.unquantized = False
        if kind & GGUF:
            if piece.number >= self.share:  # shares of a mix count by size, else the last one counts
                self.gguf, self.share = piece.unit, piece.number
            if piece.unit in ("F32", "F16", "BF16"):
                self.floats += (piece.unit,)
        elif kind & SCHEME:
            if index == 0 and len(sheet.pieces) > 1 and sheet.pieces[1].kind & (SIZE | VERSION):
                sheet.claims[0] = None  # `fp4-14b`: a model that is called so
                return
            self.last = index
            self.schemes += (piece,)
            if piece.unit == "activation" and (group := piece.text.lower().partition("g")[2]).isdigit():
                self.group = int(group)
            if piece.entry is not None and piece.entry.scheme is not None and piece.entry.scheme.bits_follow:
                self.follow(sheet, index + 1)
            if (
                index
                and piece.entry is not None
                and piece.entry.value == "BNB"
                and is_unsloth_account(sheet, index - 1)
            ):
                self.dynamic = True
        elif kind & FLOAT:
            assert piece.entry is not None
            self.floats += (piece.entry.value,)
            self.last_float = index
        elif kind & FORMAT:
            assert piece.entry is not None
            if piece.text.lower() == "ov" and not stands_alone(sheet, index):
                sheet.claims[index] = None
                return
            if self.format is None or self.format.value not in ("gguf", "mlx"):
                self.format = piece.entry
        elif kind & BITS:
            if not piece.number:
                piece = self.spelled(sheet, index)
            elif piece.unit == "q" and not is_bare_bits(sheet, index):
                sheet.claims[index] = None
                return
            if piece.number and (self.bits is None or (piece.unit in ("bpw", "bits") and self.bits_unit != "bpw")):
                self.bits, self.bits_unit = piece.number, piece.unit
        elif kind & GROUP:
            self.group = int(piece.number)
        elif kind & FLAG:
            assert piece.entry is not None
            self.flag(piece.entry.value)
        elif piece.entry is not None and piece.entry.value == "imatrix":
            self.imatrix = True

    def follow(self, sheet: TokenSequence, index: int) -> None:
        """`MoQ-7.55`: the number after the scheme is its bits."""
        if index < len(sheet.pieces) and sheet.pieces[index].kind & NUMBER and "." in sheet.pieces[index].unit:
            self.bits, self.bits_unit = float(sheet.pieces[index].unit), "bpw"
            sheet.claims[index] = ("bits", sheet.pieces[index].unit, "bits")

    def spelled(self, sheet: TokenSequence, index: int) -> Lexeme:
        """`4-bit`: the number stands before the word."""
        piece = sheet.pieces[index]
        before = sheet.pieces[index - 1] if index else piece
        if before.kind & NUMBER and "_" in before.text:  # `mixed-3_4-bit`: some layers at 3, some at 4
            self.dynamic = self.quantized = True
            sheet.claims[index - 1] = sheet.claims[index] = ("how", "dynamic", "bits of a mix")
        elif before.kind & NUMBER and before.unit.replace(".", "", 1).isdigit() and 0 < float(before.unit) <= 16:
            bits = float(before.unit)
            sheet.claims[index - 1] = sheet.claims[index] = ("bits", f"{bits:g}", "bits")
            return Lexeme(piece.text, BITS, number=bits, unit="bits")
        return piece

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
        else:
            self.quantized = True

    def resolve(self, draft: Draft) -> None:
        draft.qat, draft.imatrix = self.qat, self.imatrix
        if draft.format is None and self.format is not None:
            draft.format = self.format.value
        if self.unquantized and not self.imatrix:
            draft.quantized = False
            if self.floats:
                draft.quant, draft.bits = self.floats[-1], nominal_bits(self.floats[-1])
            return
        if self.gguf is not None:
            self.resolve_gguf(draft)
        elif self.schemes and not (draft.format == "gguf" and self.last_float > self.last):
            self.resolve_scheme(draft)
        elif self.bits is not None:
            self.resolve_bits(draft)
        elif self.floats:
            draft.quant, draft.bits, draft.quantized = self.floats[-1], nominal_bits(self.floats[-1]), False
        elif self.imatrix or self.dynamic or self.quantized:
            draft.quantized = True
        if draft.quant_method is None and draft.quantized and draft.format in METHODS:
            draft.quant_method = draft.format
        if draft.quantized:
            draft.group_size = self.group
        draft.dynamic = self.dynamic and draft.quant_method not in ("fp8", "compressed-tensors")

    def resolve_gguf(self, draft: Draft) -> None:
        scheme = self.gguf or ""
        draft.quant, draft.quantized = scheme, True
        draft.bits = self.bits if self.bits_unit == "bpw" else nominal_bits(scheme)
        draft.quant_method = draft.format if draft.format in METHODS else "gguf"

    def resolve_scheme(self, draft: Draft) -> None:
        best = max(self.schemes, key=rank)
        scheme = best.entry.scheme if best.entry is not None else None
        draft.quantized = True
        bits = self.bits
        if scheme is None:
            draft.quant = best.claim[1] if best.claim else None
            draft.bits = best.number
            others = (piece.entry.scheme for piece in self.schemes if piece.entry is not None)
            method = next((other.method for other in others if other is not None), None)
            draft.quant_method = method or (draft.format if best.unit == "web" else "compressed-tensors")
            return
        draft.quant, draft.quant_method = scheme.name, scheme.method
        if bits is None:
            bits = next((piece.number for piece in self.schemes if piece.number and piece is not best), None)
        draft.bits = scheme.nominal_bits or best.number or bits or scheme.default_bits
        if scheme.name == "BNB":
            draft.quant = BITSANDBYTES.get(int(draft.bits or 0))
        draft.format = scheme.container or draft.format
        if draft.format == "mlx":
            apply_mlx_scheme(draft)
        elif draft.format == "gguf" or (draft.quant_method is None and draft.format in METHODS):
            draft.quant_method = draft.format

    def resolve_bits(self, draft: Draft) -> None:
        draft.bits, draft.quantized = self.bits, True
        if self.bits_unit == "q" and draft.format in ("gguf", "ggml"):
            draft.quant, draft.quant_method = f"Q{self.bits:g}", draft.format
        if self.bits_unit == "mlx" and draft.format is None:
            draft.format = "mlx"
        if draft.format == "mlx":
            apply_mlx_scheme(draft)
        elif self.bits == 1.58:
            draft.quant, draft.quant_method = "BITNET", "bitnet"


def apply_mlx_scheme(draft: Draft) -> None:
    """MLX's own schemes are named by their bits alone."""
    if draft.quantized:
        draft.quant_method = "mlx"
        bits = draft.bits
        if (draft.quant is None or draft.quant.startswith("INT")) and bits is not None:
            draft.quant = f"MLX-{bits:g}BIT"


METHODS = {"gguf", "ggml", "mlx", "onnx", "openvino", "mlc"}


def rank(piece: Lexeme) -> float:
    if piece.entry is None or piece.entry.scheme is None:
        return 7 if piece.unit == "web" else 5.5  # W4A16 says more than AutoRound, NVFP4 more than W4A4
    return piece.entry.scheme.rank
