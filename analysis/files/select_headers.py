"""Which headers of a repo are worth reading: as few as tell what its artifacts are."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from statistics import median

from analysis.files.artifacts import missing_parts
from analysis.formats.formats import find_format
from analysis.formats.pickle_files import PICKLED
from analysis.formats.readers import is_crawled
from analysis.schemes.schemes import usual_file_bits
from db.records import ArtifactRecord, RepoRecord

MAX_HEADERS_PER_REPO = 12
"""Headers of one repo's quants that are read because name and size disagree."""

MAX_PICKLE_FILES_PER_REPO = 8
"""Files of one repo whose pickles a crawl reads: one request of the quota for files each."""


def select_headers(
    repo: RepoRecord, artifacts: Sequence[ArtifactRecord], known: Collection[str] = (), *, every: bool = False
) -> tuple[ArtifactRecord, ...]:
    """The artifacts whose headers are worth reading, cheapest first.

    One quant tells what its siblings share (architecture, context, tokenizer); further ones are read where name and
    size disagree with the others. Of other weights the largest primary one is read. `known` holds contents that were
    read already, in this repo or another. `every` selects all that can be read.
    """
    readable = [artifact for artifact in artifacts if _has_header(artifact)]
    if every:
        return tuple(sorted((a for a in readable if a.content not in known), key=_cost))
    weights = [a for a in readable if a.role == "weights"]
    chosen = _select_quants(repo, [a for a in weights if find_format(a.format).holds_quants], known)
    main = [a for a in weights if not find_format(a.format).holds_quants and a.primary]
    if main:
        chosen.append(max(main, key=lambda a: (a.total_size or 0, a.artifact)))
    if not chosen:  # a repo of sidecars: one stands for all
        sidecars = [a for a in readable if a.role in ("adapter", "draft", "mmproj") and a.primary]
        chosen = sidecars[:1] if not any(a.content in known for a in sidecars) else []
    return tuple(sorted((a for a in chosen if a.content not in known), key=_cost))


def select_pickles(artifacts: Sequence[ArtifactRecord]) -> tuple[ArtifactRecord, ...]:
    """The artifacts whose pickles a crawl reads, so many that they have MAX_PICKLE_FILES_PER_REPO files at most.

    Those of the fewest files first, and of these what is loaded first: the weights.
    """
    pickled = [a for a in artifacts if find_format(a.format).runs_code == PICKLED and missing_parts(a) == 0]
    found, files = [], 0
    for artifact in sorted(pickled, key=lambda a: (len(a.paths), a.role != "weights", not a.primary, a.artifact)):
        files += len(artifact.paths)
        if files > MAX_PICKLE_FILES_PER_REPO:
            break
        found.append(artifact)
    return tuple(found)


def _has_header(artifact: ArtifactRecord) -> bool:
    """Whether all files of an artifact are there and each has a header of its own.

    Files cut at any byte, which only concatenation makes whole (X.gguf.part1of2), end in the part, not in an extension.
    """
    return is_crawled(artifact) and missing_parts(artifact) == 0


def _cost(artifact: ArtifactRecord) -> tuple[int, int, str]:
    """Requests first: each shard has a header."""
    return len(artifact.paths), artifact.total_size or 0, artifact.artifact


def _select_quants(repo: RepoRecord, quants: list[ArtifactRecord], known: Collection[str]) -> list[ArtifactRecord]:
    """One quant of the fewest shards and of a middling size, and those that disagree with the rest."""
    if not quants:
        return []
    odd = _disagreeing(repo, quants)
    chosen = [a for a in quants if a.artifact in odd][:MAX_HEADERS_PER_REPO]
    plain = [a for a in quants if a.artifact not in odd] or quants
    if any(a.content in known for a in plain):
        return chosen
    fewest = min(len(a.paths) for a in plain)
    by_size = sorted((a for a in plain if len(a.paths) == fewest), key=lambda a: (a.total_size or 0, a.artifact))
    middle = by_size[len(by_size) // 2]
    return chosen if middle in chosen else [*chosen, middle]


def _disagreeing(repo: RepoRecord, quants: list[ArtifactRecord]) -> set[str]:
    """Artifacts whose size does not fit their name's scheme and the parameters that the API or the other sizes give.

    More than a fifth off disagrees from 4 bits up. Lower schemes mix more types, and small models have large
    embeddings: there more than two fifths.
    """
    implied = {}
    for artifact in quants:
        bits = _usual_file_bits(artifact.artifact)
        if bits and artifact.total_size:
            implied[artifact.artifact] = (artifact.total_size * 8 / bits, bits)
    counted = repo.gguf.get("total")
    total = counted if isinstance(counted, int) and not isinstance(counted, bool) and counted > 0 else None
    middle = median(count for count, _ in implied.values()) if implied else None
    expected = total if total and (middle is None or 0.5 < total / middle < 2) else middle
    if expected is None:
        return set()
    return {name for name, (count, bits) in implied.items() if abs(count / expected - 1) > (0.2 if bits >= 4 else 0.4)}


_SCHEME_WORD = re.compile(r"(?<![A-Z0-9])(?:P?TQ|I?Q|MXFP|NVFP|BF|FP?|I)\d+(?:_[A-Z0-9]+)*(?![A-Z0-9])")


def _usual_file_bits(path: str) -> float | None:
    """Bits per weight that files of the last GGUF or full-precision scheme in a file's name usually have."""
    for text in reversed(_SCHEME_WORD.findall(path.rpartition("/")[2].upper())):
        pieces = text.split("_")
        for end in range(len(pieces), 0, -1):
            if bits := usual_file_bits("_".join(pieces[:end])):
                return bits
        if text in ("FP16", "FP32"):
            return float(text[2:])
    return None
