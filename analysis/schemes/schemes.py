"""The table of quantization schemes (schemes.toml): names, layouts, bits per weight, methods, published quality.

Three quantities are kept apart, all in bits per weight:

    nominal_bits  what the scheme is called: 4 for Q4_K_M
    block_bits    what its blocks take, scales included: 4.5 for Q4_K_M, whose Q4_K blocks hold 256 weights in 144 bytes
    file_bits     what whole files take, embeddings and norms included: 4.8944 for Q4_K_M, measured on Llama 3.1 8B
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from analysis.errors import UnknownScheme, VocabularyError

SchemeKind = Literal["gguf", "full_precision", "packed"]

FILE = "schemes.toml"
FULL_PRECISION = frozenset(("F64", "F32", "F16", "BF16"))
"""Dtypes that models are trained in: weights of these are not quantized. (A test compares it with the table.)"""


ROW_INTERLEAVINGS = frozenset(("R4", "R8", "R16"))
"""Suffixes of ik_llama.cpp's types whose rows are interleaved."""


@dataclass(frozen=True, slots=True)
class Block:
    """Weights that are packed together, and the bytes that they take, scales included."""

    weights: int
    bytes: int

    @property
    def bits(self) -> float:
        """Bits per weight."""
        return 8 * self.bytes / self.weights


@dataclass(frozen=True, slots=True)
class Measurement:
    """What `file_bits` were measured on."""

    id: str
    model: str
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Source:
    """Who published quality figures, when, and what was measured. `reference_perplexity` is the unquantized model's."""

    id: str
    title: str
    url: str
    year: int
    measured: str
    reference_perplexity: float | None = None


@dataclass(frozen=True, slots=True)
class QualityFigures:
    """What is published of a scheme's loss against full precision; None: not measured.

    `perplexity_added` is the mean above the reference's, `kl_divergence` is in nats, `accuracy_kept` in percent of the
    unquantized model's score (lowest, highest). `imatrix`: figures of files made with an importance matrix.
    """

    source: Source
    perplexity_added: float | None = None
    kl_divergence: float | None = None
    accuracy_kept: tuple[float, float] | None = None
    note: str | None = None
    imatrix: QualityFigures | None = None


@dataclass(frozen=True, slots=True)
class DivergenceClasses:
    """Classes of models for which KL divergence was measured: up to each bound in parameters, and above the last."""

    source: Source
    up_to: tuple[float, ...]

    def class_of(self, parameters: float) -> int:
        """The index of the class that a model of this size belongs to."""
        return sum(parameters > bound for bound in self.up_to)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about accuracy or bias for schemes of at least `min_bits` nominal bits."""

    about: Literal["accuracy", "bias"]
    min_bits: float
    source: Source
    finding: str


@dataclass(frozen=True, slots=True)
class Qat:
    """What quantization-aware training leaves of the loss: a share from 0 to 1."""

    source: Source
    note: str
    share_of_loss: float


@dataclass(frozen=True, slots=True)
class Method:
    """A quantization method (the label quant_method): how configurations spell it, and what loads its weights."""

    name: str
    aliases: tuple[str, ...] = ()
    scheme: str | None = None  # where it has only one
    runtimes: tuple[str, ...] = ()  # programs that load it, the best known first
    requires: str | None = None  # what they need for it
    cuda: bool = False  # its kernels are made for NVIDIA's GPUs


@dataclass(frozen=True, slots=True)
class Scheme:
    """One scheme; schemes.toml says what each field means."""

    name: str
    kind: SchemeKind
    about: str
    aliases: tuple[str, ...] = ()
    method: str | None = None
    formats: tuple[str, ...] = ()
    container: str | None = None
    nominal_bits: float | None = None
    default_bits: float | None = None
    block: Block | None = None
    row_scale: bool = False
    group_size: int | None = None
    layout: str | None = None
    tensor_types: tuple[str, ...] = ()
    file_bits: float | None = None
    measured_on: Measurement | None = None
    usual_bits: float | None = None
    runtimes: tuple[str, ...] = ()
    rank: int = 5
    bits_in_alias: bool = False
    bits_follow: bool = False
    imatrix: bool = False
    quality: QualityFigures | None = None
    divergence: tuple[float, ...] = ()

    @property
    def quantized(self) -> bool:
        return self.kind != "full_precision"

    @property
    def block_bits(self) -> float | None:
        """Bits per weight of its blocks, scales included."""
        return self.block.bits if self.block else None

    @property
    def estimated_bits(self) -> float | None:
        """Bits per weight to estimate a file's size with: the best known of the three quantities, else the usual."""
        return self.file_bits or self.block_bits or self.nominal_bits or self.default_bits or self.usual_bits


@dataclass(frozen=True, slots=True)
class SchemeTable:
    """Everything in schemes.toml."""

    schemes: Mapping[str, Scheme]
    suffixes: Mapping[str, str]  # what quantizers add to a GGUF scheme's name -> meaning
    methods: Mapping[str, Method]
    method_names: Mapping[str, str]  # spelling in configurations -> canonical method
    findings: tuple[Finding, ...]
    qat: Qat
    divergence: DivergenceClasses


# ---- Finding a scheme -----------------------------------------------------------------------------------------------


@cache
def scheme_table() -> SchemeTable:
    """The table that ships with the program, read once."""
    return read_schemes((files("analysis.schemes") / FILE).read_bytes())


@lru_cache(maxsize=1024)
def find_scheme(name: str) -> Scheme | None:
    """The scheme of a canonical name: of the table, or a GGUF scheme with a suffix, which has its stem's values."""
    table = scheme_table()
    if name in table.schemes:
        return table.schemes[name]
    stem, _, suffix = name.rpartition("_")
    found = table.schemes.get(stem)
    if found is None or found.kind == "packed" or suffix not in table.suffixes:
        return None
    if suffix in ROW_INTERLEAVINGS:  # a tensor type of its own
        return replace(found, name=name, tensor_types=(name,), quality=None)
    return replace(found, name=name, quality=None) if found.kind == "gguf" else None


def find_scheme_by_alias(text: str) -> Scheme | None:
    """The scheme that a text names: its name or an alias, in any case, with any separators.

    `q4km`, `Q4-K-M` and `q4_k_m` are Q4_K_M; `nf4` is BNB-NF4.
    """
    return find_scheme(text.upper()) or _schemes_by_spelling().get(_squeeze(text))


_WIDTH = re.compile(r"(.+?)[-_ ]?(\d{1,2}(?:\.\d{1,3})?)[-_ ]?(?:bpw|bits?|b)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ChosenScheme:
    """A scheme as a user names it, and the bits per weight to estimate with: stated, else the table's."""

    scheme: Scheme
    bits: float
    stated: bool = False


def parse_scheme(text: str) -> ChosenScheme:
    """The scheme of a name as a user types it: `q4km`, `MXFP4`, `EXL2-4.65bpw`, `HQQ-3bit`, `MoQ-7.55`, `JANGTQ3`.

    A width may follow the name of a scheme that exists in several. Raises UnknownScheme, with similar names.
    """
    scheme = find_scheme_by_alias(text)
    width = _WIDTH.fullmatch(text.strip())
    if width and (scheme is None or scheme.bits_in_alias):
        stem = scheme or find_scheme_by_alias(width[1])
        bits = float(width[2])
        if stem is not None and stem.nominal_bits is None and 0 < bits <= MAX_BITS:
            scales = stem.block_bits - stem.default_bits if stem.block_bits and stem.default_bits else 0.0
            return ChosenScheme(stem, bits + scales, stated=True)
    if scheme is None or scheme.estimated_bits is None:
        raise UnknownScheme(text, tuple(get_close_matches(text.upper(), scheme_table().schemes, n=3)))
    return ChosenScheme(scheme, scheme.estimated_bits)


_PATTERNS = (
    re.compile(r"W([0-9]{1,2})A[0-9]{1,2}"),
    re.compile(r"MLX-([0-9](?:\.[0-9])?)BIT"),
    re.compile(r"(?:P?TQ|PQ|DQ|IQ|Q|MXFP|NVFP|FP|INT|UINT|MXINT)([1-8])(?![0-9]).*"),
)


@lru_cache(maxsize=1024)
def nominal_bits(name: str) -> float | None:
    """Nominal bits per weight of a canonical scheme; of one that the table lacks (W3A16, Q4), those in its name."""
    scheme = find_scheme(name)
    if scheme is not None:
        return scheme.nominal_bits
    found = next((match for pattern in _PATTERNS if (match := pattern.fullmatch(name))), None)
    return float(found[1]) if found else None


def usual_file_bits(name: str) -> float | None:
    """Bits per weight that whole files of a GGUF or full-precision scheme usually have.

    None for others: how much of a safetensors model stays unquantized differs too much.
    """
    scheme = find_scheme(name)
    return None if scheme is None or scheme.kind == "packed" else scheme.estimated_bits


def is_full_precision(name: str) -> bool:
    scheme = find_scheme(name)
    return scheme is not None and not scheme.quantized


def find_method(written: str) -> str:
    """The canonical quant_method of one as a configuration writes it."""
    return scheme_table().method_names.get(written.lower(), written.lower())


@cache
def _schemes_by_spelling() -> Mapping[str, Scheme]:
    """Every spelling without separators; a scheme's own name comes last, so that no alias of another hides it."""
    table = scheme_table()
    found: dict[str, Scheme] = {}
    for scheme in table.schemes.values():
        if scheme.kind == "gguf":
            for suffix in table.suffixes:
                found[_squeeze(scheme.name + suffix)] = replace(scheme, name=f"{scheme.name}_{suffix}", quality=None)
    for scheme in table.schemes.values():
        found |= {_squeeze(alias): scheme for alias in scheme.aliases}
    return found | {_squeeze(scheme.name): scheme for scheme in table.schemes.values()}


def _squeeze(text: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", text.lower())


# ---- Reading the file -----------------------------------------------------------------------------------------------

_Row = TypeVar("_Row")
_NUMBER = (int, float)
_SCHEME_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "about": str, "aliases": list, "method": str, "formats": list, "container": str, "nominal_bits": _NUMBER,
    "default_bits": _NUMBER, "block": dict, "row_scale": bool, "group_size": int, "layout": str, "tensor_types": list,
    "file_bits": _NUMBER, "measured_on": str, "rank": int, "bits_in_alias": bool, "bits_follow": bool, "imatrix": bool,
    "quality": dict,
    "usual_bits": _NUMBER, "runtimes": list, "divergence": list,
}  # fmt: skip
_QUALITY_KEYS = {each.name for each in fields(QualityFigures)}
_METHOD_KEYS = {each.name for each in fields(Method)} - {"name"}
_SECTIONS = {
    "gguf", "full_precision", "packed", "suffixes", "methods", "measurements", "sources", "findings", "qat",
    "divergence",
}  # fmt: skip
MAX_BITS = 64
"""Bits per weight that a scheme, or a configuration of one, may state."""


@lru_cache(maxsize=4)
def read_schemes(data: bytes) -> SchemeTable:
    """The table from the bytes of schemes.toml.

    Raises VocabularyError, naming the entry, for anything that is not as the file's head says.
    """
    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise VocabularyError(FILE, "", str(error)) from error
    for section in tables.keys() ^ _SECTIONS:
        raise VocabularyError(FILE, section, "no such table is known" if section in tables else "this table is missing")
    sources = {name: _build(Source, name, {"id": name, **row}) for name, row in tables["sources"].items()}
    measured = {name: _build(Measurement, name, {"id": name, **row}) for name, row in tables["measurements"].items()}
    schemes: dict[str, Scheme] = {}
    rows: dict[str, tuple[SchemeKind, Any]] = {}
    for kind in ("gguf", "full_precision", "packed"):
        for name, row in tables[kind].items():
            if name in rows:
                raise VocabularyError(FILE, name, "stands in two tables")
            rows[name] = kind, row
    for name, (kind, row) in rows.items():
        schemes[name] = _scheme(name, kind, row, rows, sources, measured, tables["methods"])
    divergence = tables["divergence"]
    classes = DivergenceClasses(_source(sources, divergence.get("source"), "divergence"), tuple(divergence["up_to"]))
    for scheme in schemes.values():
        if scheme.divergence and len(scheme.divergence) != len(classes.up_to) + 1:
            raise VocabularyError(FILE, scheme.name, "`divergence` needs a number for each class of [divergence]")
    methods = {name: _method(name, row, schemes) for name, row in tables["methods"].items()}
    spelled = {alias: method.name for method in methods.values() for alias in (method.name, *method.aliases)}
    findings = tuple(
        _build(Finding, "findings", {**row, "source": _source(sources, row.get("source"), "findings")})
        for row in tables["findings"]
    )
    qat = _build(Qat, "qat", {**tables["qat"], "source": _source(sources, tables["qat"].get("source"), "qat")})
    suffixes = {name: _text(name, about) for name, about in tables["suffixes"].items()}
    return SchemeTable(
        schemes=MappingProxyType(schemes),
        suffixes=MappingProxyType(suffixes),
        methods=MappingProxyType(methods),
        method_names=MappingProxyType(spelled),
        findings=tuple(sorted(findings, key=lambda each: -each.min_bits)),
        qat=qat,
        divergence=classes,
    )


def _scheme(
    name: str,
    kind: SchemeKind,
    row: Any,
    rows: Mapping[str, tuple[SchemeKind, Any]],
    sources: Mapping[str, Source],
    measurements: Mapping[str, Measurement],
    methods: Mapping[str, Any],
) -> Scheme:
    """One scheme, with what it takes from its first tensor type: its block and what it is."""
    if not isinstance(row, dict):
        raise VocabularyError(FILE, name, "an entry is a table with `about` and further keys")
    for key, value in row.items():
        if key not in _SCHEME_KEYS or not isinstance(value, _SCHEME_KEYS[key]):
            raise VocabularyError(FILE, name, f"`{key}` is not a key of a scheme, or of another type")
    for key in ("nominal_bits", "default_bits", "file_bits", "usual_bits"):
        if key in row and not 0 < row[key] <= MAX_BITS:
            raise VocabularyError(FILE, name, f"`{key}` must be bits per weight: a number from 0 to {MAX_BITS}")
    if ("file_bits" in row) != ("measured_on" in row) or row.get("measured_on", "") not in {"", *measurements}:
        raise VocabularyError(FILE, name, "`file_bits` needs `measured_on`, one of [measurements]")
    types = _texts(name, "tensor_types", row)
    if unknown := [each for each in types if each not in rows]:
        raise VocabularyError(FILE, name, f"`tensor_types` holds {unknown[0]!r}, which is no scheme")
    inherited = rows[types[0]][1] if types and types[0] != name else {}
    about = row.get("about") or inherited.get("about")
    if not about:
        raise VocabularyError(FILE, name, "`about` must say in a line what it is")
    block = row.get("block") or inherited.get("block")
    gguf = kind == "gguf"
    method = row.get("method") or ("gguf" if gguf else None)
    formats = _texts(name, "formats", row) or (("gguf",) if gguf else ())
    return Scheme(
        name=name,
        kind=kind,
        about=about,
        aliases=_texts(name, "aliases", row),
        method=method,
        formats=formats,
        container=row.get("container"),
        nominal_bits=_float(row.get("nominal_bits")),
        default_bits=_float(row.get("default_bits")),
        block=_build(Block, name, block) if block else None,
        row_scale=row.get("row_scale", False) or inherited.get("row_scale", False),
        group_size=row.get("group_size"),
        layout=row.get("layout"),
        tensor_types=types or ((name,) if "block" in row and "gguf" in formats else ()),
        file_bits=_float(row.get("file_bits")),
        measured_on=measurements.get(row.get("measured_on", "")),
        usual_bits=_float(row.get("usual_bits")),
        runtimes=_texts(name, "runtimes", row) or _texts(method or "", "runtimes", methods.get(method or "", {})),
        rank=row.get("rank", 5),
        bits_in_alias=row.get("bits_in_alias", False),
        bits_follow=row.get("bits_follow", False),
        imatrix=row.get("imatrix", False),
        quality=_quality(name, row["quality"], sources) if "quality" in row else None,
        divergence=tuple(float(each) for each in row.get("divergence", ())),
    )


def _quality(name: str, row: Mapping[str, Any], sources: Mapping[str, Source]) -> QualityFigures:
    if unknown := row.keys() - _QUALITY_KEYS:
        raise VocabularyError(FILE, name, f"`quality.{min(unknown)}` is not known")
    kept = row.get("accuracy_kept")
    imatrix = row.get("imatrix")
    return QualityFigures(
        source=_source(sources, row.get("source"), name),
        perplexity_added=row.get("perplexity_added"),
        kl_divergence=row.get("kl_divergence"),
        accuracy_kept=(kept[0], kept[1]) if kept else None,
        note=row.get("note"),
        imatrix=_quality(name, {"source": row.get("source"), **imatrix}, sources) if imatrix else None,
    )


def _method(name: str, row: Mapping[str, Any], schemes: Mapping[str, Scheme]) -> Method:
    if unknown := row.keys() - _METHOD_KEYS:
        raise VocabularyError(FILE, name, f"`{min(unknown)}` is not a key of a method")
    if row.get("scheme") is not None and row["scheme"] not in schemes:
        raise VocabularyError(FILE, name, f"its scheme {row['scheme']!r} is not in the table")
    return Method(
        name=name,
        aliases=_texts(name, "aliases", row),
        scheme=row.get("scheme"),
        runtimes=_texts(name, "runtimes", row),
        requires=row.get("requires"),
        cuda=row.get("cuda", False),
    )


def _source(sources: Mapping[str, Source], source: Any, entry: str) -> Source:
    if source not in sources:
        raise VocabularyError(FILE, entry, f"its source {source!r} is none of [sources]")
    return sources[source]


def _build(kind: type[_Row], entry: str, row: Mapping[str, Any]) -> _Row:
    try:
        return kind(**row)
    except TypeError as error:
        raise VocabularyError(FILE, entry, f"it lacks a key, or has one that is not known ({error})") from error


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _texts(entry: str, key: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise VocabularyError(FILE, entry, f"`{key}` must be a list of words")
    return tuple(value)


def _text(entry: str, value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise VocabularyError(FILE, entry, "its meaning must be a text")
