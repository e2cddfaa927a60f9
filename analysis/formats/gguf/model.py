"""From the keys and tensors of a GGUF artifact to its Header.

Rules:

    parameters   elements of all tensors, but for tables that hold no weights (rotary frequencies) and an output layer
                 that repeats the embeddings of an architecture that ties them
    active       parameters but those of experts that a token is not sent to: of each tensor of experts the share
                 expert_used_count / experts is active, shared experts and leading dense layers wholly, embeddings too;
                 layers that only predict further tokens are not, nor is a table of per-layer embeddings (Gemma 3n)
    bits         bytes of all tensors' data over their elements
    scheme       what the file's name says, else what general.file_type says, where the tensors agree; else the type
                 that most elements of the layers' matrices are stored in
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from analysis.errors import HeaderBeyondLimits
from analysis.formats import limits
from analysis.formats.array_lengths import ArrayLengths, learn_lengths
from analysis.formats.facts import clean_text
from analysis.formats.gguf.facts import collect_gguf_facts, find_header_role
from analysis.formats.gguf.file import GgufFile
from analysis.formats.gguf.parameters import count_active_gguf_parameters, count_gguf_parameters
from analysis.formats.gguf.reader import read_file
from analysis.formats.gguf.scheme import find_gguf_scheme, type_names
from analysis.formats.source import ByteSource
from analysis.formats.tensor_digests import digest_tensors
from analysis.schemes.schemes import FULL_PRECISION
from analysis.untrusted import MAX_CONTEXT, check_count
from db.records import ArrayLength, ArtifactRecord, Header


def read_gguf(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    array_lengths: Sequence[ArrayLength] | ArrayLengths = (),
) -> tuple[Header, tuple[ArrayLength, ...]]:
    """The header of a GGUF artifact, its shards merged, and the array lengths that reading it taught.

    The first shard holds the keys, the others their tensors alone: one small read each. Raises HeaderError and
    SourceError.
    """
    known = ArrayLengths.of(array_lengths)
    paths = sorted(artifact.paths or (artifact.artifact,))
    if len(paths) > limits.MAX_SHARDS:
        raise HeaderBeyondLimits(artifact.artifact, 0, f"at most {limits.MAX_SHARDS:,} shards", f"{len(paths):,}")
    files: list[GgufFile] = []
    actual: list[int | None] = []
    requests = bytes_read = tensors = header_bytes = 0
    for path in paths:
        source = open_source(path)
        before = source.requests, source.bytes_read
        file = read_file(source, known, sizes.get(path))
        files.append(replace(file, keys={}) if files else file)  # the first holds the keys
        tensors += len(file.tensors)
        header_bytes += file.data_start
        if header_bytes > limits.MAX_GGUF_HEADER_BYTES:
            raise HeaderBeyondLimits(
                path, 0, f"at most {limits.MAX_GGUF_HEADER_BYTES:,} bytes of headers in all shards", f"{header_bytes:,}"
            )
        if tensors > limits.MAX_TENSORS_OF_ALL_SHARDS:
            raise HeaderBeyondLimits(
                path, 0, f"at most {limits.MAX_TENSORS_OF_ALL_SHARDS:,} tensors in all shards", f"{tensors:,}"
            )
        size = sizes.get(path)
        actual.append(source.size if size is None else size)
        requests += source.requests - before[0]
        bytes_read += source.bytes_read - before[1]
    header = build_gguf_header(files, actual, artifact, requests, bytes_read)
    learned = learn_lengths(run for file in files for run in file.runs)
    return header, tuple(length for length in learned if not known.is_known(length))


def build_gguf_header(
    files: Sequence[GgufFile], actual: Sequence[int | None], artifact: ArtifactRecord, requests: int, bytes_read: int
) -> Header:
    """The Header of an artifact from the headers of its files and the files' actual sizes."""
    first = files[0]
    architecture = clean_text(first.text("general.architecture"), 64)
    tensors = [tensor for file in files for tensor in file.tensors]
    weights = [size for file in files for size in file.sizes]
    names = [name for file in files for name in type_names(file)]
    types: Counter[str] = Counter()
    for name, tensor in zip(names, tensors, strict=True):
        types[name] += tensor.elements
    stored = sum(types.values())
    digests = digest_tensors((each.name, each.shape, name) for name, each in zip(names, tensors, strict=True))
    role = find_header_role(first, architecture, artifact)
    parameters = count_gguf_parameters(tensors, architecture) if tensors and role != "imatrix" else None
    total = None if None in weights else sum(size for size in weights if size is not None)
    quant, share = find_gguf_scheme(tensors, names, artifact.paths[0], first.integer("general.file_type"))
    return Header(
        format="gguf",
        version=first.version,
        architecture=architecture,
        parameters=parameters,
        active_parameters=count_active_gguf_parameters(tensors, parameters, first, architecture),
        tensor_count=len(tensors),
        types=dict(types.most_common()),
        quant=quant,
        quant_method="gguf" if quant and quant not in FULL_PRECISION else None,
        quant_share=share,
        bits_per_weight=8 * total / stored if total is not None and stored else None,
        context=check_count(first.integer(f"{architecture}.context_length"), MAX_CONTEXT),
        size=sum_implied_sizes(files, actual),
        size_verified=verify_sizes(files, actual),
        content=artifact.content,
        tensor_layout=digests.layout,
        tensor_shapes=digests.shapes,
        requests=requests,
        bytes_read=bytes_read,
        facts=collect_gguf_facts(files, architecture, role),
    )


# ---- sizes ----------------------------------------------------------------------------------------------------------


def sum_implied_sizes(files: Sequence[GgufFile], actual: Sequence[int | None]) -> int | None:
    """Bytes of all files, as their headers imply them; None if a tensor's bytes are unknown."""
    total = 0
    for file, size in zip(files, actual, strict=True):
        implied = file.file_sizes()
        if not implied:
            return None
        total += size if size in implied else implied[-1]
    return total


def verify_sizes(files: Sequence[GgufFile], actual: Sequence[int | None]) -> bool | None:
    """Whether each file ends where its last tensor does, which verifies the whole parse; None if that is unknown."""
    checks = [
        None if size is None or file.end_inferred or not file.file_sizes() else size in file.file_sizes()
        for file, size in zip(files, actual, strict=True)
    ]
    if False in checks:
        return False
    return None if None in checks else True
