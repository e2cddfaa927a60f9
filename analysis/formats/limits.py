"""How much a header may ask for: every limit of the readers, in one place.

A header comes from anyone. No count, length or depth in it is believed before it was held against these limits and
against what is left of the file; beyond them reading ends in HeaderBeyondLimits. They are ten times and more what the
largest honest headers hold (16 MB, 120 keys, 3,000 tensors, 515,000 merges in a GGUF; 13 MB and 90,000 tensors in a
safetensors file), and small enough that the worst header within them costs no more than some 40 MB and a second or two.
"""

from __future__ import annotations

KIB, MIB = 2**10, 2**20

# ---- GGUF -----------------------------------------------------------------------------------------------------------

HEADER_BYTES = 64 * MIB
"""From the file's first byte to its tensor data. Arrays and strings count, fetched or jumped."""

KEYS = 65_536
"""Key-values of one file."""

KEY_BYTES = 1024
"""Length of a key. The specification allows 65,535; the longest in use is under 100."""

STRING_BYTES = 16 * MIB
"""Length of one string (tokenizer.huggingface.json reaches 10 MB)."""

KEPT_STRING_BYTES = 64 * KIB
"""A longer string is passed over and counted, its text not kept."""

KEPT_BYTES = 1 * MIB
"""All text of one header that is kept. What comes after is passed over."""

ARRAY_ELEMENTS = 4_000_000
"""Elements of one array, nested ones counted together."""

KEPT_ARRAY = 1024
"""Longer arrays are passed over, and so are those of the tokenizer."""

KEPT_ELEMENTS = 32_768
"""All elements of one header's arrays that are kept. What comes after is passed over."""

NESTING = 2
"""Arrays within arrays; none is in use."""

NESTED_ARRAYS = 1024
"""Arrays in one array."""

TENSORS = 65_536
"""Tensors of one file."""

ALL_TENSORS = 131_072
"""Tensors of all shards together."""

TENSOR_NAME_BYTES = 512
"""Length of a tensor's name. llama.cpp takes 63; converters of other engines write longer ones."""

DIMENSIONS = 8
"""Dimensions of a tensor. llama.cpp takes 4."""

ELEMENTS = 2**50
"""Elements of one tensor, and bytes of its data: a thousand times the largest model."""

ALIGNMENT = 1 * MIB
"""The largest alignment of tensor data; 32 and 64 are in use."""

SHARDS = 1000
"""Files of one split model that are opened."""

# ---- Requests -------------------------------------------------------------------------------------------------------

HEAD_BYTES = 16 * KIB
"""The first read of a GGUF file: everything before the tokenizer, and enough of the tokenizer to know it by."""

CHUNK_BYTES = 4 * MIB
"""The most that one read of a walk asks for; reads grow up to it fourfold."""

LAYOUT_TRIES = 3
"""Learnt layouts that are tried on one array before it is walked. A miss costs one read."""

REQUESTS = 200
"""Reads of one GGUF file. A walk of the largest allowed header takes 30."""

# ---- safetensors ----------------------------------------------------------------------------------------------------

SAFETENSORS_HEAD = 100_000
"""The first read of a safetensors file: 97 of 100 headers end within it (huggingface_hub's own figure)."""

SAFETENSORS_HEADER_BYTES = 25_000_000
"""The JSON of one file; huggingface_hub and @huggingface/hub refuse more too. Reading one takes five times its bytes in
memory, whatever it holds."""

SAFETENSORS_TENSORS = 200_000
"""Tensors of one file."""

SAFETENSORS_ALL_TENSORS = 1_000_000
"""Tensors of all shards together; the largest in use hold half of it."""

METADATA_KEYS = 10_000
"""Entries of `__metadata__` beyond one a tensor, which torchao keeps."""
