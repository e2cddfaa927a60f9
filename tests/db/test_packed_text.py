"""Packed texts: what is packed comes back, what is damaged or far too long is refused, and nothing decides otherwise
later what stored bytes mean."""

from __future__ import annotations

import zlib
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.packed_text import DEFLATED, DICTIONARY, MAX_UNPACKED_BYTES, PLAIN, PackedTextError, pack, unpack

FACTS = (
    '{"card":{"base_model":"google/gemma-3-4b-it","language":["en"],"license":"gemma","tags":["gguf"]},'
    '"gguf":{"architecture":"gemma3","context_length":131072,"total":3880263168}}'
)


@given(st.text(st.characters()))
def test_every_text_comes_back(text: str) -> None:
    assert unpack(pack(text)) == text


def test_the_dictionary_leaves_a_quarter_of_usual_facts() -> None:
    assert len(pack(FACTS)) < 0.4 * len(FACTS) < len(zlib.compress(FACTS.encode(), 9))


def test_what_would_grow_is_kept_as_it_is() -> None:
    assert pack("{}") == b"\0{}"


def test_bytes_that_earlier_versions_stored_mean_what_they_did() -> None:
    """A changed dictionary would make every stored text unreadable."""
    assert unpack(bytes.fromhex(STORED)) == FACTS


STORED = (
    "01c3219c9e9f9f9e93aa0f4ef3bac6ba2649bae0b60bb6c481dea483050cb8ce8ac55d79c1ab235c5504d4e9c61616064666c6866616b5b500"
)


@pytest.mark.parametrize(
    "packed", [b"", b"\2{}", b"\0\xff", pack(FACTS)[:-1], pack(FACTS) + b"x", b"\1\xff\xff"],
    ids=["empty", "unknown kind", "no text", "cut off", "followed", "damaged"],
)  # fmt: skip
def test_what_is_no_packed_text_is_refused(packed: bytes) -> None:
    with pytest.raises(PackedTextError):
        unpack(packed)


def test_a_few_bytes_do_not_fill_the_memory() -> None:
    assert unpack(pack("a" * MAX_UNPACKED_BYTES)) == "a" * MAX_UNPACKED_BYTES
    with pytest.raises(PackedTextError):
        unpack(pack("a" * (MAX_UNPACKED_BYTES + 1)))


def test_the_migration_writes_what_the_program_reads() -> None:
    migration = import_module("db.migrations.versions.0027_packed_facts")
    assert migration.DICTIONARY == DICTIONARY
    for text in (FACTS, "{}", "ü" * 100):
        assert migration.pack(text) == pack(text)
        assert migration.unpack(pack(text)) == text
    assert (pack(FACTS)[:1], pack("{}")[:1]) == (DEFLATED, PLAIN)
