"""How much a header may ask for: every limit of the readers, in one place.

Headers come from anyone. Every count, length and depth is checked against these limits and against the rest of the
file; beyond them reading ends in HeaderBeyondLimits. They are ten times or more what the largest honest headers hold
(16 MB, 120 keys, 3,000 tensors, 515,000 merges in a GGUF; 13 MB and 90,000 tensors in a safetensors file), and small
enough that the worst header within them costs what the largest valid one does: 40 MB of memory and a second or two of
a GGUF file, 154 MB and less than two of 300,000 tensors in safetensors files (bench/tensors.py).
"""

from __future__ import annotations

from analysis.units import KIB, MIB

# ---- GGUF -----------------------------------------------------------------------------------------------------------

MAX_GGUF_HEADER_BYTES = 64 * MIB
"""From the file's first byte to its tensor data, of all shards together. Arrays and strings count, whether fetched or
skipped."""

MAX_KEYS = 65_536
"""Key-values of one file."""

MAX_KEY_BYTES = 1024
"""Length of a key. The specification allows 65,535; the longest in use is under 100."""

MAX_STRING_BYTES = 16 * MIB
"""Length of one string (tokenizer.huggingface.json reaches 10 MB)."""

MAX_KEPT_STRING_BYTES = 64 * KIB
"""Length of one string whose text is kept. A longer one is skipped and counted."""

MAX_KEPT_TEXT_BYTES = 1 * MIB
"""All text of one header that is kept. The rest is skipped."""

MAX_ARRAY_ELEMENTS = 4_000_000
"""Elements of one array, nested ones counted together."""

MAX_KEPT_ARRAY_ELEMENTS = 1024
"""Elements of one array that is kept. Longer arrays are skipped, and so are those of the tokenizer."""

MAX_KEPT_ELEMENTS = 32_768
"""Elements of all arrays of one header that are kept. The rest is skipped."""

MAX_ARRAY_DEPTH = 2
"""Arrays within arrays; none is in use."""

MAX_NESTED_ARRAYS = 1024
"""Arrays in one array."""

MAX_TENSORS = 65_536
"""Tensors of one file."""

MAX_TENSORS_OF_ALL_SHARDS = 131_072
"""Tensors of all shards together."""

MAX_TENSOR_NAME_BYTES = 512
"""Length of a tensor's name. llama.cpp allows 63; converters of other engines write longer ones."""

MAX_DIMENSIONS = 8
"""Dimensions of a tensor. llama.cpp allows 4."""

MAX_TENSOR_ELEMENTS = 2**50
"""Elements of one tensor, and bytes of its data: a thousand times the largest model."""

MAX_ALIGNMENT_BYTES = 1 * MIB
"""Alignment of tensor data; 32 and 64 are in use."""

MAX_TYPES = 64
"""Different tensor types of one model that are kept; there are about 50."""

MAX_SHARDS = 1000
"""Files of one split model that are opened."""

# ---- Reads ----------------------------------------------------------------------------------------------------------

FIRST_READ_BYTES = 16 * KIB
"""The first read of a GGUF file: everything before the tokenizer, and enough of the tokenizer to recognize it."""

MAX_READ_BYTES = 4 * MIB
"""Bytes of one read of a scan; reads grow up to it fourfold."""

MAX_LENGTHS_TRIED = 3
"""Known lengths that are tried on one array before it is scanned. A wrong one costs one read."""

MAX_READS = 200
"""Reads of one GGUF file. A scan of the largest allowed header takes 30."""

# ---- safetensors ----------------------------------------------------------------------------------------------------

SAFETENSORS_FIRST_READ_BYTES = 100_000
"""The first read of a safetensors file: 97 of 100 headers end within it (huggingface_hub's own figure)."""

MAX_SAFETENSORS_HEADER_BYTES = 25_000_000
"""The JSON of one file; huggingface_hub and @huggingface/hub refuse more too."""

MAX_SAFETENSORS_HEADER_BYTES_OF_ALL_SHARDS = 50_000_000
"""The JSON of all shards together; that of 276,000 tensors takes 45 MB."""

MAX_SAFETENSORS_TENSORS = 100_000
"""Tensors of one file; the largest in use hold 90,000."""

MAX_SAFETENSORS_TENSORS_OF_ALL_SHARDS = 300_000
"""Tensors of all shards together. Models of a trillion parameters have 60 layers of 384 experts with three matrices
each: 70,000, or 276,000 where each weight has three scales (NVFP4)."""

MAX_SPACED_SAFETENSORS_TENSORS = 150_000
"""Tensors of all shards together in files whose JSON has spaces or another order, as MLX writes it. They take longer to
read, and models of more tensors are written by safetensors itself."""

MAX_UNUSUAL_SAFETENSORS_TENSORS = 50_000
"""Tensors of all shards together in files whose JSON no known library writes so: further fields, names with escapes."""

MAX_TENSOR_KINDS = 10_000
"""Names of tensors apart from the numbers of blocks and experts; different shapes; different modules: so many of each.
A model of 2,048 experts that are numbered within a word (`expert_17`) has 8,200; others have under 5,000."""

MAX_TENSOR_KINDS_TIMES_TENSORS = 900_000_000
"""Fewer of these for more tensors: 3,000 for 300,000. Models of so many tensors have some ten kinds of modules in each
of 61 layers, with one to four tensors each: 2,600."""

MAX_TABLES = 5_000
"""Tensors whose names say that they are embeddings or an output layer; models hold one to a few dozen."""

MAX_SAFETENSORS_MEMORY_BYTES = 250_000_000
"""Memory that the values of one file's JSON may take; those of 100,000 tensors take 110 MB at most."""

MAX_METADATA_KEYS = 10_000
"""Entries of `__metadata__` beyond one per tensor, which torchao keeps."""

# ---- Other containers -----------------------------------------------------------------------------------------------

CONTAINER_READ_BYTES = 64 * KIB
"""One read of a container whose descriptions are spread over the file."""

MAX_CONTAINER_BYTES = 128 * MIB
"""Bytes of one container that are read, in all."""

MAX_CONTAINER_READS = 2000
"""Reads of one container."""

MAX_CONTAINER_STEPS = 500_000
"""Fields, opcodes or tables of one container; a PyTorch archive has about 30 opcodes a tensor. Of a number in base 128
each byte beyond two counts too."""

MAX_PICKLE_BYTES = 32 * MIB
"""The description of a PyTorch archive; that of 1,000 tensors takes 150 kB."""

MAX_OPENVINO_XML_BYTES = 64 * MIB
"""The XML of an OpenVINO model; that of a large language model takes 10 MB."""

MAX_ZIP_MEMBERS = 200_000
"""Files of a zip archive."""

MAX_ZIP_DIRECTORY_BYTES = 32 * MIB
"""Its central directory."""

MAX_TAR_MEMBERS = 10_000
"""Files of a tar archive before the one that is looked for."""


def find_most_kinds(tensors: int) -> int:
    """How many kinds of names, shapes or modules so many tensors may have."""
    return min(MAX_TENSOR_KINDS, MAX_TENSOR_KINDS_TIMES_TENSORS // max(1, tensors))
