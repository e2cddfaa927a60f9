"""Thousands of repos from a file, one JSON object a line: what is in the file is served, what is not is made up.

The file knows ids, tags, downloads, dates and GGUF files with rounded sizes. Headers are made when a client reads
them: from the shapes of a known model where name and size agree with one, else from a plain decoder of the right size.
Nothing that is large is kept, so that a hundred thousand files cost little more than their names.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple

from samplehub.content import infer as guess
from samplehub.content.build_repo import ATTRIBUTES, Builder
from samplehub.content.card import make_card, readme
from samplehub.content.catalog import Catalog
from samplehub.content.config_files import gguf_keys
from samplehub.content.file_content import HEAD_CACHE, Content, SmallFile
from samplehub.content.geometry import Geometry
from samplehub.content.gguf import Header, Info, Tensors, Value, aligned
from samplehub.content.gguf_models import general_keys, quant_tensors
from samplehub.content.model_facts import BuiltInFacts, Facts, load_built_in_facts, parse_time
from samplehub.content.quantization_mixes import file_type
from samplehub.content.repo import Json, Repo, RepoParts, hub_time
from samplehub.content.synthetic_header import HeaderSpec, fit_header
from samplehub.content.tensor_plans import converted_parameters
from samplehub.content.weight_packing import Scheme

MAX_TINY_FILE_BYTES = 100_000_000  # bytes of a file in which a large vocabulary would be all there is
MIN_NAME_LENGTH = 10  # letters of a name that may be looked for in others
MIN_ROUNDED_SIZE_BYTES = 60_000_000
MAX_ROUNDING_ERROR = 0.035  # by how much a recorded size may differ from the true one: it was shown with three digits
BITS = re.compile(r"(\d)-?bit", re.IGNORECASE)
KINDS = frozenset(
    {
        *("text-generation", "image-text-to-text", "automatic-speech-recognition", "feature-extraction"),
        *("text-to-speech", "text-to-image", "any-to-any", "sentence-similarity", "text-ranking", "translation"),
        *("image-to-text", "visual-question-answering", "text2text-generation", "text-classification", "fill-mask"),
        *("image-to-video", "text-to-video", "image-classification", "audio-text-to-text", "image-to-image"),
    }
)
LANGUAGE = re.compile(r"[a-z]{2,3}$")


class InvalidModelsFile(ValueError):
    """The file of models can't be read: the message says where and why."""


def read_models(path: Path) -> Catalog:
    """The catalog of a file. Raises BadModels."""
    facts = load_built_in_facts()
    shapes = GeometryIndex(facts)
    with open_text(path) as lines:
        return Catalog(RecordedRepo(row, shapes).repo() for row in read_rows(lines, path))


def open_text(path: Path) -> IO[str]:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def read_rows(lines: IO[str], path: Path) -> Iterator[Json]:
    try:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not row.get("created_at"):
                raise InvalidModelsFile(f"{path}, line {number}: a model needs an id and a created_at")
            yield row
    except (lzma.LZMAError, UnicodeDecodeError, json.JSONDecodeError) as trouble:
        raise InvalidModelsFile(f"{path} is no list of models, one JSON object a line: {trouble}") from trouble


class GeometryIndex:
    """Finds a known model's shapes for a repo: by its base, or by its name."""

    def __init__(self, facts: BuiltInFacts) -> None:
        self.known = facts
        self._words: dict[str, str] = {}
        self._tensors: dict[tuple[str, str, bool], Tensors] = {}
        self._of_repo = {one.id.lower(): one.geometry for one in facts.repos if one.geometry}
        names = {normalize_name(name): name for name, g in facts.geometries.items() if g.plan == "decoder"}
        known = {normalize_name(one.id.rpartition("/")[2]): one.geometry for one in facts.repos if one.geometry}
        names |= {name: geometry for name, geometry in known.items() if len(name) >= MIN_NAME_LENGTH}
        self._names = sorted(names.items(), key=lambda pair: -len(pair[0]))

    def find(self, repo_id: str, bases: Sequence[str]) -> Geometry | None:
        for one in (*bases, repo_id):
            if one.lower() in self._of_repo:
                return self.known.geometries[self._of_repo[one.lower()]]
        squeezed_name = normalize_name(repo_id.rpartition("/")[2])
        for name, geometry in self._names:
            if name in squeezed_name:
                return self.known.geometries[geometry]
        return None

    def tokenizer(self, architecture: str) -> str:
        """A tokenizer for an architecture of llama.cpp's: that of a model we know, by the longest common start."""
        if architecture not in self._words:
            known = {g.gguf: g.tokenizer for g in self.known.geometries.values() if g.tokenizer and g.gguf}
            known["llama"] = "llama3"  # of many that call themselves so
            alike = min(known, key=lambda name: (-common_prefix_length(name, architecture), name))
            self._words[architecture] = known[alike] if common_prefix_length(alike, architecture) >= 3 else "llama3"
        return self._words[architecture]

    def tensors(self, geometry: Geometry, quant: str, imatrix: bool) -> Tensors:
        """The tensors of a known model's quant, measured once for all repos that have it."""
        key = (geometry.name, quant, imatrix)
        if key not in self._tensors:
            self._tensors[key] = quant_tensors(geometry, quant, imatrix)
        return self._tensors[key]


def common_prefix_length(one: str, other: str) -> int:
    """Letters with which both begin."""
    count = 0
    for a, b in zip(one.lower(), other.lower(), strict=False):
        if a != b:
            break
        count += 1
    return count


def normalize_name(name: str) -> str:
    return re.sub(r"[-_ .]", "", name.lower())


class ShardPart(NamedTuple):
    """One file of a split model: which of its tensors it holds, and what they measure."""

    start: int
    end: int
    infos: int
    data: int


def divide_among_shards(tensors: Sequence[Info], sizes: Sequence[int]) -> list[ShardPart] | None:
    """Tensors in files of about these sizes; None where one would be too far from its own."""
    parts: list[ShardPart] = []
    at = filled = wanted = 0
    for size in sizes:
        wanted += size
        start, begun, infos = at, filled, 0
        last = len(parts) == len(sizes) - 1
        while at < len(tensors) and (last or filled + tensors[at].bytes / 2 < wanted):
            filled += aligned(tensors[at].bytes)
            infos += 24 + len(tensors[at].name) + 8 * len(tensors[at].dims)
            at += 1
        if abs(filled - begun - size) > max(MAX_ROUNDING_ERROR * size, MIN_ROUNDED_SIZE_BYTES):
            return None
        parts.append(ShardPart(start, at, infos, filled - begun))
    return parts


class RecordedRepo:
    """One line of the file, and the repo that is made of it."""

    __slots__ = (
        *("_around", "_found", "_parts", "bases", "created", "downloads", "files", "id", "library", "relation"),
        *("shapes", "tags"),
    )

    def __init__(self, row: Mapping[str, Any], shapes: GeometryIndex) -> None:
        self.shapes = shapes
        self._found: Geometry | bool | None = True  # True: not looked for yet
        self._around = 0
        self._parts: dict[str, list[ShardPart] | None] = {}
        self.id = str(row["id"])
        self.tags = tuple(map(str, row.get("tags") or ()))
        self.downloads = int(row.get("downloads") or 0)
        self.library: str | None = row.get("library_name")
        self.created = hub_time(parse_time(str(row["created_at"]).replace("Z", "+00:00")))
        files = [(str(file["path"]), file.get("size")) for file in row.get("files") or ()]
        self.files = tuple(
            (path, int(size) if size else guess.size(self.id, guess.quant_of(path))) for path, size in files
        )
        declared = [tag.split(":") for tag in self.tags if tag.startswith("base_model:")]
        self.bases = tuple(parts[1] for parts in declared if len(parts) == 2)
        self.relation = next((parts[1] for parts in declared if len(parts) == 3), None)

    def repo(self) -> Repo:
        days = 1 + sum(self.id.encode()) % 30
        owner = self.id.partition("/")[0]
        gated = "manual" if owner in ("google", "meta-llama") and "license:gemma" in self.tags else False
        return Repo(
            id=self.id,
            created=self.created,
            modified=hub_time(parse_time(self.created.replace("Z", "+00:00")) + timedelta(days=days)),
            downloads=self.downloads,
            likes=int(self.downloads**0.45),
            tags=self.tags,
            pipeline=self.pipeline,
            library=self.library,
            gated=gated,
            base=self.bases,
            relation=self.relation,
            parts=RepoParts(
                files=self.contents,
                safetensors=self.safetensors,
                gguf=self.gguf,
                config=self.config,
                card=self.card,
                storage=self.storage,
            ),
        )

    @property
    def pipeline(self) -> str | None:
        return next((tag for tag in self.tags if tag in KINDS), None)

    @property
    def license(self) -> str | None:
        return next((tag.partition(":")[2] for tag in self.tags if tag.startswith("license:")), None)

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the architecture, guessed from the tags and the name."""
        text = normalize_name(self.id + " ".join(self.tags))
        for word, name in guess.ARCHITECTURES:
            if word in text:
                return name
        return "llama"

    def geometry(self) -> Geometry | None:
        if isinstance(self._found, bool):
            self._found = self.shapes.find(self.id, self.bases)
        return self._found

    def facts(self) -> Facts:
        return Facts(
            id=self.id,
            created=self.created,
            store="gguf",
            base=self.bases,
            license=self.license or "",
            quantized_by=self.id.partition("/")[0],
            imatrix="imatrix" in self.tags,
        )

    def header(self, tensors: Tensors, quant: str) -> Header:
        """The header of one quant of a known model."""
        geometry = self.geometry()
        assert geometry is not None
        after: dict[str, Value] = {"general.quantization_version": 2, "general.file_type": file_type(quant)}
        tokenizer = self.shapes.known.tokenizers.get(geometry.tokenizer)
        return Header(tensors, general_keys(self.facts(), geometry) | gguf_keys(geometry), after, tokenizer)

    def around(self, tensors: Tensors) -> int:
        """Bytes of a header but for its table of tensors: they are the same for all quants of a repo."""
        if not self._around:
            self._around = self.header(tensors, "Q8_0").unaligned - tensors.infos
        return self._around

    def shard(self, path: str, tensors: Tensors, quant: str) -> Header | None:
        """The header of one file of a split model; None where the model's tensors do not divide as the list says."""
        number, count, _, _ = self.place(path)
        parts = self._divided(path, tensors)
        if parts is None or number > count:
            return None
        part = parts[number - 1]
        place: dict[str, Value] = {
            "split.no": number - 1,
            "split.count": count,
            "split.tensors.count": parts[-1].end,
        }
        held = Tensors(lambda: tensors.list()[part.start : part.end], lambda: (part.infos, part.data))
        if number > 1:
            return Header(held, place, {})
        whole = self.header(tensors, quant)
        return Header(held, whole.before, {**whole.after, **place}, whole.tokenizer)

    def _divided(self, path: str, tensors: Tensors) -> list[ShardPart] | None:
        """How a split model's tensors lie in its files; None where they do not divide as the list says."""
        sizes = self._shards(path)
        stem = f"{guess.SPLIT.sub('', path)} of {len(sizes)}"
        if stem not in self._parts:
            self._parts[stem] = divide_among_shards(tensors.list(), sizes)
        return self._parts[stem]

    def _shards(self, path: str) -> list[int]:
        """Bytes of all files of the split model that a path belongs to; where the list lacks one, those of its like."""
        found = guess.SPLIT.search(path)
        sizes = dict(self.files)
        if found is None:
            return [sizes[path]]
        stem, count = path[: found.start()], int(found[2])
        known = [sizes.get(f"{stem}-{number:05d}-of-{count:05d}.gguf") for number in range(1, count + 1)]
        usual = max((size for size in known if size), default=0)
        return [usual if size is None else size for size in known]

    def place(self, path: str) -> tuple[int, int, int, int]:
        """Which file of a split model a path is, of how many, the bytes before it and those of all."""
        found = guess.SPLIT.search(path)
        number = int(found[1]) if found else 1
        each = self._shards(path)
        return number, len(each), sum(each[: number - 1]), sum(each)

    # ---- what the API says -----------------------------------------------------------------------------------------

    def card(self) -> Json:
        plain = [tag for tag in self.tags if ":" not in tag and tag not in KINDS and tag != self.library]
        added = ("safetensors", "gguf", "endpoints_compatible", "conversational", "imatrix")
        return make_card(
            license_=self.license,
            license_name=None,
            languages=[tag for tag in plain if LANGUAGE.match(tag) and tag not in ("mlx", "moe")],
            library=self.library,
            pipeline=self.pipeline,
            base=self.bases,
            relation=self.relation,
            relation_said=False,
            tags=[tag for tag in plain if tag not in added and not LANGUAGE.match(tag)],
            datasets=[tag.partition(":")[2] for tag in self.tags if tag.startswith("dataset:")],
            quantizer=None,
            results=[],
            name=self.id.rpartition("/")[2],
        )

    def gguf(self) -> Json | None:
        if not self.files:
            return None
        path, size = self.files[0]
        size = self.place(path)[3]
        geometry = self.geometry()
        total = converted_parameters(geometry) if geometry else guess.parameters(size, guess.quant_of(path))
        context = guess.claimed_context(self.id) or (geometry.context if geometry else None)
        return {
            "total": total,
            "architecture": geometry.gguf if geometry and geometry.gguf else self.architecture,
            **({"context_length": context} if context else {}),
            "totalFileSize": size,
        }

    def storage(self) -> int:
        """Bytes in LFS, near enough for a figure that on the Hub counts history too."""
        block = None if self.files else self.safetensors()
        if block is None:
            return sum(size for _, size in self.files)
        total: int = block["total"]
        return round(total * (next(self._bits(), 16) + 0.5) / 8)

    def safetensors(self) -> Json | None:
        builder = self._builder()
        return builder.safetensors() if builder else None

    def config(self) -> Json | None:
        builder = self._builder()
        return builder.shown_config() if builder else None

    # ---- files -----------------------------------------------------------------------------------------------------

    def contents(self) -> dict[str, Content]:
        builder = self._builder()
        files: dict[str, Content] = {
            ".gitattributes": SmallFile(lambda: ATTRIBUTES),
            "README.md": SmallFile(lambda: readme(self.card(), self.id)),
        }
        if builder is not None:
            files |= {path: content for path, content in builder.files().items() if path not in files}
        return files | {path: RecordedFile(self, path, size) for path, size in self.files}

    def _builder(self) -> Builder | None:
        """Makes what a repo of safetensors holds: the file has no list of them, but name and tags tell enough."""
        if self.files or "safetensors" not in self.tags:
            return None
        geometry = self.geometry() or self._plain()
        if geometry is None:
            return None
        return Builder(
            Facts(
                id=self.id,
                created=self.created,
                geometry=geometry.name,
                scheme=self._scheme(),
                base=self.bases,
                license=self.license or "",
                library=self.library or "",
                pipeline=self.pipeline or "",
            ),
            replace(self.shapes.known, geometries={**self.shapes.known.geometries, geometry.name: geometry}),
        )

    def _plain(self) -> Geometry | None:
        """A decoder with as many parameters as the name says."""
        count = guess.claimed_parameters(self.id)
        if count is None:
            return None
        architecture = self.architecture
        return guess.decoder(count, architecture, self.shapes.tokenizer(architecture))

    def _bits(self) -> Iterator[int]:
        return (int(found[1]) for text in (*self.tags, self.id) if (found := BITS.search(text)))

    def _scheme(self) -> Scheme | None:
        bits = next(self._bits(), None)
        if "mlx" in self.tags and bits is not None and bits < 16:
            return Scheme("mlx", bits=bits, group=64, keep=("vision",))
        return None


class RecordedFile(Content):
    """A GGUF file of the list; its content is computed on each read."""

    large = True
    __slots__ = ("_recorded", "_size", "path", "recorded_size")

    def __init__(self, recorded: RecordedRepo, path: str, size: int) -> None:
        self._recorded = recorded
        self._size = 0
        self.path = path
        self.recorded_size = size - size % 32  # a GGUF file ends where its last tensor does

    @property
    def size(self) -> int:  # type: ignore[override]
        if not self._size:
            self._size = self._measure()
        return self._size

    def _measure(self) -> int:
        tensors = self._known_tensors()
        if tensors is None:
            return self.recorded_size
        if not guess.SPLIT.search(self.path):
            return aligned(self._recorded.around(tensors) + tensors.infos) + tensors.data
        header = self._known()
        return self.recorded_size if header is None else header.file_size

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self._recorded.id} {self.path} {self.recorded_size}".encode()).hexdigest()

    def head(self) -> bytes:
        return HEAD_CACHE.get(self, self._make)

    def _make(self) -> bytes:
        recorded = self._recorded
        header = self._known()
        if header is not None:
            return header.encode()
        architecture = recorded.architecture
        number, count, before, whole = recorded.place(self.path)
        blank = HeaderSpec(
            path=self.path,
            size=self.recorded_size,
            architecture=architecture,
            facts=general_keys(recorded.facts(), guess.geometry_of_architecture(architecture)),
            words=recorded.shapes.known.tokenizers[
                recorded.shapes.tokenizer(architecture) if self.recorded_size > MAX_TINY_FILE_BYTES else "llama2"
            ],
            active=guess.claimed_active_parameters(recorded.id),
            number=number,
            count=count,
            before=before,
            whole=whole,
        )
        return fit_header(blank).encode()

    def known(self) -> bool:
        """Whether the header is that of a model whose shapes are known."""
        return self._known() is not None

    def _known(self) -> Header | None:
        """The header that a known model's shapes give, where it is as long as the list says."""
        tensors, quant = self._known_tensors(), guess.quant_of(self.path)
        if tensors is None or quant is None:
            return None
        if guess.SPLIT.search(self.path):
            return self._recorded.shard(self.path, tensors, quant)
        return self._recorded.header(tensors, quant)

    def _known_tensors(self) -> Tensors | None:
        """The tensors of the whole model, where its shapes are known and it is as large as the list says."""
        recorded = self._recorded
        geometry = recorded.geometry()
        if geometry is None or not geometry.gguf or guess.is_sidecar(self.path):
            return None
        quant = guess.quant_of(self.path)
        if quant is None:
            return None
        whole = recorded.place(self.path)[3] if guess.SPLIT.search(self.path) else self.recorded_size
        tensors = recorded.shapes.tensors(geometry, quant, "imatrix" in recorded.tags)
        return tensors if abs(tensors.data - whole) <= max(MAX_ROUNDING_ERROR * whole, MIN_ROUNDED_SIZE_BYTES) else None
