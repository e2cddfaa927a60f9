"""A synthetic Hub of any size, the same for the same seed: names, popularity, tags, files and sizes as on the real one.

With a list of real ids (`--names`, one per line, plain or .gz) those are the names, repeated under new owners where
they are too few; without it names are built from families, sizes, tunings and owners. Monthly downloads fall with the
rank as 1 / rank^STEEP, and seven repos in ten have none; one repo in eleven holds GGUF files.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from db.derive.record import derived
from db.labels import Labels
from db.records import (
    ArtifactRecord,
    ConflictRecord,
    EdgeRecord,
    Enrichment,
    EvalRecord,
    FileRecord,
    Header,
    Labelled,
    LabelRecord,
    RepoRecord,
)

FAMILIES = [
    "qwen",
    "llama",
    "gemma",
    "mistral",
    "bert",
    "phi",
    "deepseek",
    "whisper",
    "t5",
    "gpt2",
    "roberta",
    "flux",
    "wav2vec2",
    "vit",
    "falcon",
    "yi",
    "smollm",
]
SIZES = ("0.5B", "1B", "1.5B", "3B", "4B", "7B", "8B", "13B", "14B", "27B", "32B", "70B", "base", "large", "small")
TUNINGS = ("Instruct", "Chat", "base", "DPO", "merge", "LoRA", "it", "finetuned", "distill", "abliterated")
QUANTS = [
    "Q2_K",
    "Q3_K_S",
    "Q3_K_M",
    "Q3_K_L",
    "Q4_0",
    "Q4_K_S",
    "Q4_K_M",
    "Q5_0",
    "Q5_K_S",
    "Q5_K_M",
    "Q6_K",
    "Q8_0",
    "F16",
    "IQ2_XXS",
    "IQ3_XS",
    "IQ4_XS",
]
COMMON = [
    "transformers",
    "safetensors",
    "pytorch",
    "text-generation",
    "conversational",
    "en",
    "license:apache-2.0",
    "license:mit",
    "region:us",
    "endpoints_compatible",
    "text-generation-inference",
    "autotrain_compatible",
    "text-classification",
    "fill-mask",
    "peft",
    "lora",
    "generated_from_trainer",
    "tensorboard",
    "arxiv:2307.09288",
    "diffusers",
    "zh",
    "fr",
    "de",
    "es",
    "reinforcement-learning",
    "custom_code",
]
PLAIN = [
    "README.md",
    ".gitattributes",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
]
TRAINED = [
    *PLAIN,
    "model.safetensors",
    "generation_config.json",
    "vocab.json",
    "merges.txt",
    "training_args.bin",
    "added_tokens.json",
    "trainer_state.json",
]
LARGE = (".safetensors", ".bin", ".gguf")  # kept by LFS, which names their sha256
WHOLE = 3_000_000  # repos of the whole Hub
DOWNLOADED = 0.3  # the share of repos that anyone downloads in a month, as arXiv:2405.13058 counted it
STEEP = 1.25  # of the downloads by rank: one repo in a hundred has 96 % of them, there it is 99 %
CHANGES = (
    *((0.0, 0.0), (0.13, 0.57), (0.20, 0.68), (0.25, 0.75), (0.34, 0.83), (0.43, 0.88), (0.56, 0.92), (0.74, 0.96)),
    *((0.82, 0.985), (0.86, 0.985), (0.93, 0.996), (0.935, 1.0)),
)
"""Probability that monthly downloads differ from the day before and from the week before, by the number's bit length.

Counted in the daily figures of 276 repos over two years; repos without downloads are assumed to stay without.
"""
START = datetime(2022, 3, 1, tzinfo=UTC)
VOCABULARY = "bench"


def read_names(path: Path | None) -> Sequence[str]:
    """The real ids in a file; none where no file is given."""
    if path is None:
        return ()
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [line.strip() for line in text.splitlines() if line.strip()]


class ImaginedHub:
    """Repos numbered from 1 to `size`, each computed from its number alone."""

    def __init__(self, size: int, names: Sequence[str] = (), seed: int = 1) -> None:
        self.size = size
        self.names = names
        self.seed = seed
        self._step = next(step for step in (7919, 104729, 1299709) if size % step)

    def chance(self, number: int, what: int = 0) -> random.Random:
        return random.Random(self.seed * 1_000_003 + number * 17 + what)

    def name(self, number: int, chance: random.Random) -> str:
        if self.names:
            again, place = divmod(number - 1, len(self.names))
            repo_id = self.names[place]
            owner, _, name = repo_id.rpartition("/")
            return repo_id if again == 0 else f"{owner or 'hub'}{again}/{name}"
        family, size = chance.choice(FAMILIES), chance.choice(SIZES)
        end = "-GGUF" if number % 11 == 0 else ""
        return f"owner{number % (self.size // 4 + 1)}/{family}-{size}-{chance.choice(TUNINGS)}-{number}{end}"

    def downloads(self, number: int) -> int:
        """Downloads per month. A smaller Hub is a proportional sample of the whole one."""
        rank = (number * self._step % self.size + 1) * WHOLE / self.size
        return int(1e8 / rank**STEEP) if rank <= DOWNLOADED * WHOLE else 0

    def changes(self, number: int) -> tuple[float, float]:
        """Probability that its downloads differ from the day before and from the week before."""
        return CHANGES[min(self.downloads(number).bit_length(), len(CHANGES) - 1)]

    def repo(self, number: int, day: int = 0) -> RepoRecord:
        """A repo as listed after `day` days; each day one repo in forty has other downloads."""
        chance = self.chance(number)
        repo_id = self.name(number, chance)
        rank = number * self._step % self.size + 1
        downloads = self.downloads(number)
        if day and (number + day) % 40 == 0:
            downloads += day + number % 7
        created = START + timedelta(seconds=number * 140_000_000 / self.size)
        parent = self.name(chance.randint(1, number), chance) if chance.random() < 0.4 else None
        license_ = chance.choice(("apache-2.0", "mit", "llama3", "gemma", "other"))
        tags = [*chance.sample(COMMON, chance.randint(3, 9)), f"license:{license_}"]
        edges: tuple[EdgeRecord, ...] = ()
        if parent is not None:
            relation = "quantized" if number % 11 == 0 else "finetune"
            tags += [f"base_model:{parent}", f"base_model:{relation}:{parent}"]
            edges = (EdgeRecord(parent, relation, "card"), EdgeRecord(parent, relation, "tag"))  # type: ignore[arg-type]
        if chance.random() < 0.1:
            tags.append(f"dataset:data/{chance.randrange(self.size // 10 + 1)}")
        scores = 4 if chance.random() < 0.03 else 0
        return RepoRecord(
            hub_id=f"{number:024x}",
            repo_id=repo_id,
            author=repo_id.partition("/")[0],
            sha=f"{number * 2654435761 % 2**160:040x}",
            created_at=created,
            last_modified=created + timedelta(days=chance.expovariate(1 / 20)),
            downloads=downloads,
            likes=downloads // 5000,
            trending_score=0.0 if rank > 5000 else float(5000 // rank),
            pipeline_tag="text-generation" if number % 2 else "text-classification",
            library_name="gguf" if number % 11 == 0 else "transformers",
            license=license_,
            used_storage=chance.randrange(10**10),
            tags=tuple(tags),
            languages=("en",),
            card={"license": license_, "language": ["en"], "base_model": parent, "tags": tags[:3]},
            config={"architectures": ["LlamaForCausalLM"], "model_type": "llama"},
            safetensors={} if number % 11 == 0 else {"parameters": {"BF16": 8_030_261_248}, "total": 8_030_261_248},
            edges=edges,
            evaluations=tuple(
                EvalRecord("text-generation", "MMLU", f"metric {n}", 50.0 + n, "card") for n in range(scores)
            ),
        )

    def labelled(self, record: RepoRecord) -> Labelled:
        """Labels from the listing: a dozen pieces of evidence, and in one repo of four an unclaimed token."""
        number = int(record.hub_id, 16)
        kind = (FAMILIES[number % len(FAMILIES)], SIZES[number % len(SIZES)], TUNINGS[number % 10], number % 11 == 0)
        found = usual_labels(*kind)
        if record.edges:
            labels = replace(
                found.labels, base_model=record.edges[0].parent, base_model_relation=record.edges[0].relation
            )
            found = replace(found, labels=labels)
        return found if number % 4 else replace(found, unclaimed=(record.repo_id.rpartition("-")[2],))

    def enrichment(self, number: int) -> Enrichment:
        """The result of an enrichment: on average ten files and two artifacts, a header for one artifact in five."""
        record = self.repo(number)
        chance = self.chance(number, 1)
        holds_gguf = number % 11 == 0
        paths = list(TRAINED[: chance.randint(7, len(TRAINED))])
        weights = [path for path in paths if path.endswith(LARGE)]
        if holds_gguf:
            base = record.repo_id.rpartition("/")[2]
            weights = [f"{base}.{quant}.gguf" for quant in chance.sample(QUANTS, chance.randint(1, 15))]
            paths = [*PLAIN[:2], *weights]
        files = tuple(
            FileRecord(
                path,
                chance.randrange(10**10 if path.endswith(LARGE) else 10**6),
                f"{chance.getrandbits(160):040x}",
                f"{chance.getrandbits(256):064x}" if path.endswith(LARGE) else None,
            )
            for path in paths
        )
        held = {file.path: file for file in files}
        artifacts = tuple(
            (
                ArtifactRecord(path, "weights", path.rpartition(".")[2], (path,), held[path].size, held[path].sha256),
                usual_artifact(path.rsplit(".", 2)[-2] if holds_gguf else "BF16", number % 50 == 0),
            )
            for path in weights
        )
        headers = tuple(
            usual_header(artifact.content or "", found.labels.quant or "BF16")
            for artifact, found in artifacts
            if chance.random() < 0.2
        )
        labels = self.labelled(record)
        more = derived(record, labels.labels)
        return Enrichment(record, "headers", labels, files, artifacts, headers, derived=more)


@lru_cache(maxsize=10_000)
def usual_labels(family: str, size: str, tuning: str, gguf: bool) -> Labelled:
    kind = "gguf" if gguf else "safetensors"
    parameters = round(10**9 * float(size[:-1])) if size.endswith("B") else None
    labels = Labels(
        family=family, version="3", base_family=family, size=size, parameters=parameters, tuning=(tuning.lower(),),
        format=kind, quantized=gguf, quant="Q4_K_M" if gguf else "BF16", quant_method="gguf" if gguf else None,
        bits=4.0 if gguf else 16.0, languages=("en",), parameters_measured=None if gguf else parameters,
    )  # fmt: skip
    said = {"family": family, "version": "3", "size": size, "tuning": tuning, "format": kind, "quant": labels.quant}
    evidence = [piece(key, str(value), "name", 50, True) for key, value in said.items()]
    evidence += [piece(key, str(value), "tag", 40, False) for key, value in said.items()]
    return Labelled(labels, tuple(evidence), vocabulary=VOCABULARY)


@lru_cache(maxsize=10_000)
def piece(field: str, value: str, source: Any, weight: int, resolved: bool) -> LabelRecord:
    """One piece of evidence; equal pieces are one object, as in a crawl."""
    return LabelRecord(field, value, source, f"{source}-{field}", weight, resolved)


@lru_cache(maxsize=1000)
def usual_artifact(quant: str, disputed: bool) -> Labelled:
    labels = Labels(
        format="gguf" if quant != "BF16" else "safetensors", quantized=quant not in ("BF16", "F16"), quant=quant,
        quant_method="gguf", bits=4.0, quant_measured=quant, bits_per_weight=4.85, parameters_measured=8_030_261_248,
        context_measured=131072, architecture="llama",
    )  # fmt: skip
    evidence = [
        piece(key, quant, source, 60, source == "file")
        for key in ("quant", "format", "bits")
        for source in ("file", "header")
    ]
    conflicts = (ConflictRecord("parameters", "7000000000", "name", "8030261248", "header"),) if disputed else ()
    return Labelled(labels, tuple(evidence), conflicts, vocabulary=VOCABULARY)


def usual_header(content: str, quant: str) -> Header:
    return Header(
        "gguf", 3, "llama", 8_030_261_248, None, 291, {quant: 7 * 10**9, "F32": 10**6}, quant, "gguf", 0.97, 4.85,
        131072, 5 * 10**9, True, content, False, 2, 300_000,
        {"geometry": {"layers": 32, "embedding": 4096, "heads": 32, "kv_heads": 8}, "tokenizer": "llama-bpe"},
    )  # fmt: skip


def pages(hub: ImaginedHub, numbers: Sequence[int], size: int, day: int = 0) -> Iterator[list[RepoRecord]]:
    for start in range(0, len(numbers), size):
        yield [hub.repo(number, day) for number in numbers[start : start + size]]
