"""Signatures of files that are often found where a header was expected: pointers, web pages, other formats."""

from __future__ import annotations

OTHER_FORMAT_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer"),
    (b"<", "a web page"),
    (b"GGUF", "a GGUF file"),
    (b"lmgg", "the older format GGML"),
    (b"tjgg", "the older format GGJT"),
    (b"fmgg", "the older format GGMF"),
    (b"algg", "the older format GGLA"),
    (b"PK\x03\x04", "a zip archive or a PyTorch pickle"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"{", "JSON"),
)
"""First bytes, after white space and in any case -> what the file is."""


def detect_other_format(data: bytes) -> str:
    """What a file is that is not in the expected format, by its first bytes; the bytes in hexadecimal if none match."""
    if not data:
        return "an empty file"
    start = data[:32].lstrip().lower()
    for signature, what in OTHER_FORMAT_SIGNATURES:
        if start.startswith(signature.lower()):
            return what
    return f"bytes {data[:8].hex(' ')}"
