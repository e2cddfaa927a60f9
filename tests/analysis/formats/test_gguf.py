"""Parsing GGUF headers: what is read, scanned or skipped, and how few bytes that takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from analysis.errors import HeaderMalformed
from analysis.formats import limits
from analysis.formats.array_lengths import ArrayLengths, learn_lengths
from analysis.formats.gguf.file import GgufFile, SkippedArray
from analysis.formats.gguf.reader import read_file
from analysis.formats.source import BytesSource
from db.records import ArrayLength
from tests.analysis.formats.gguf_file import LAYERS, Form, Tensor, Typed, f32, gguf, header, model, q4, tokens

FORMS = [Form(version, order) for version in (1, 2, 3) for order in "<>"]
VALUES: dict[str, Any] = {
    "a.u8": Typed("u8", 200), "a.i8": Typed("i8", -100), "a.u16": Typed("u16", 60_000), "a.i16": Typed("i16", -30_000),
    "a.u32": Typed("u32", 4_000_000_000), "a.i32": Typed("i32", -2_000_000_000), "a.f32": Typed("f32", 0.5),
    "a.yes": Typed("bool", True), "a.no": Typed("bool", False), "a.u64": Typed("u64", 2**63),
    "a.i64": Typed("i64", -(2**62)), "a.f64": Typed("f64", 1e-300), "a.text": "naïve ✓", "a.empty": "",
    "a.numbers": Typed("u16", [1, 2, 3]), "a.flags": Typed("bool", [True, False]), "a.words": ["en", "de"],
    "a.nothing": Typed("f64", []), "a.no_words": [],
}  # fmt: skip


def read(data: bytes, lengths: Sequence[ArrayLength] = (), size: int | None = None) -> GgufFile:
    return read_file(BytesSource(data, "test.gguf"), ArrayLengths(lengths), size)


def cost(data: bytes, lengths: Sequence[ArrayLength] = ()) -> tuple[int, int]:
    source = BytesSource(data)
    read_file(source, ArrayLengths(lengths))
    return source.requests, source.bytes_read


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"v{form.version}{form.order}")
def test_every_version_in_either_endian_with_every_type_of_value(form: Form) -> None:
    data = gguf(VALUES, LAYERS, form)
    file = read(data)
    assert (file.version, file.big_endian) == (form.version, form.order == ">")
    assert file.keys == {key: value.value if isinstance(value, Typed) else value for key, value in VALUES.items()}
    assert [(tensor.name, tensor.shape, tensor.type) for tensor in file.tensors] == [
        (tensor.name, tensor.shape, tensor.type) for tensor in LAYERS
    ]
    assert file.sizes == tuple(tensor.size for tensor in LAYERS)
    assert len(data) in file.file_sizes()


def test_infinite_numbers_are_read_as_none() -> None:
    file = read(gguf({"a.nan": float("nan"), "a.many": Typed("f32", [1.0, float("inf")])}))
    assert file.keys == {"a.nan": None, "a.many": [1.0, None]}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"v{form.version}{form.order}")
def test_a_tokenizers_strings_are_scanned_and_its_numbers_skipped(form: Form) -> None:
    data = gguf(model(20_000, merges=5000), LAYERS, form)
    source = BytesSource(data)
    file = read_file(source)
    assert file.keys["tokenizer.ggml.tokens"].count == 20_000
    assert file.keys["tokenizer.ggml.scores"] == SkippedArray(9, 80_000, 20_000)
    assert file.text("tokenizer.chat_template") == "{{ messages }}"
    assert len(data) in file.file_sizes()
    assert source.bytes_read < file.data_start - 2 * 80_000 + 70_000  # scores and token_type were not fetched


@pytest.mark.parametrize("scores", [True, False])
@pytest.mark.parametrize("merges", [0, 5000])
def test_a_file_with_a_known_tokenizer_is_read_in_two_requests(scores: bool, merges: int) -> None:
    lengths = learn_lengths(read(gguf(model(20_000, scores=scores, merges=merges), LAYERS)).runs)
    sibling = gguf(model(20_000, scores=scores, merges=merges, more={"general.file_type": 15}), LAYERS[:3])
    requests, fetched = cost(sibling, lengths)
    assert requests == 2
    assert fetched < 32_768
    assert read(sibling, lengths).tensors == read(sibling).tensors
    assert read(sibling, lengths).integer("general.file_type") == 15


def test_small_keys_between_a_tokenizers_arrays_are_skipped_with_them() -> None:
    """T5 models keep a map of characters after the token ids."""
    charsmap = {"tokenizer.ggml.precompiled_charsmap": Typed("u8", [7] * 90_000), "general.file_type": 15}
    data = gguf(model(20_000, more=charsmap) | {"tokenizer.chat_template": "x"}, LAYERS)
    file = read(gguf({key: value for key, value in model(20_000, more=charsmap).items() if "chat" not in key}, LAYERS))
    assert [big.key for big in file.runs[0]][-1] == "tokenizer.ggml.precompiled_charsmap"
    lengths = learn_lengths(file.runs)
    again = gguf({key: value for key, value in model(20_000, more=charsmap).items() if "chat" not in key}, LAYERS[:2])
    assert cost(again, lengths)[0] == 2
    assert read(again, lengths).integer("general.file_type") == 15
    assert len(data) in read(data, lengths).file_sizes()  # with a template between, the map is another run


def test_a_known_tokenizer_with_other_key_order_is_skipped_array_by_array() -> None:
    lengths = learn_lengths(read(gguf(model(20_000, scores=False, merges=5000))).runs)
    other = gguf(model(20_000, scores=True, merges=5000), LAYERS)
    requests, fetched = cost(other, lengths)
    assert requests <= 6
    assert fetched < 64_000
    assert read(other, lengths).tensors == read(other).tensors


def test_an_unknown_tokenizer_with_a_known_count_is_scanned() -> None:
    lengths = learn_lengths(read(gguf(model(20_000))).runs)
    other = gguf(model(20_000, prefix="other"), LAYERS)
    assert cost(other, lengths) == cost(other)


@pytest.mark.parametrize("length", [9000, 40_000, 200_000, 2**40])
def test_a_wrong_known_length_costs_one_read(length: int) -> None:
    """Learned from a file that shares the first bytes, or forged."""
    data = gguf(model(20_000), LAYERS)
    file = read(data)
    first = file.runs[0][0]
    assert first.digest is not None
    wrong = [
        ArrayLength("tokenizer.ggml.tokens", first.count, first.digest, length),
        ArrayLength("tokenizer.ggml.tokens+2", first.count, first.digest, length + 5),
    ]
    assert read(data, wrong) == file
    requests, fetched = cost(data, wrong)
    assert requests <= cost(data)[0] + 2
    assert fetched <= cost(data)[1] + 20_000


def test_a_skip_to_a_header_inside_the_tokens_is_detected_by_the_file_size() -> None:
    """Tokens that hold a well-formed end of a header: only the end of the tensors against the file size shows it."""
    inner, _ = header({"x.a": 1, "x.b": 2, "x.c": 3, "x.d": 4}, [q4("fake.weight", 7)])
    bait = inner[24:].decode("latin-1").encode("utf-8")  # keys and tensors, without magic and counts
    strings: list[Any] = tokens(3000)
    keys = model(3000, scores=False) | {"tokenizer.ggml.tokens": [*strings[:2000], bait, *strings[2001:]]}
    raw = gguf({key: value for key, value in keys.items() if not isinstance(value, list)})
    assert raw  # the builder takes text alone, so the bait goes in as bytes below
    data = gguf([(key, value) for key, value in keys.items()], [q4("blk.0.attn_q.weight", 256)])
    file = read(data)
    first = file.runs[0][0]
    at = data.index(bait) - first.start
    assert first.digest is not None
    left = len(keys) - list(keys).index("tokenizer.ggml.tokens") - 1
    lie = ArrayLength(f"tokenizer.ggml.tokens+{left - 4}", 3000, first.digest, at)
    assert read(data, [lie]).tensors == file.tensors
    assert len(data) in read(data, [lie]).file_sizes()


def test_long_texts_are_skipped() -> None:
    data = gguf({"general.description": "x" * 300_000, "general.name": "after"}, LAYERS)
    source = BytesSource(data)
    file = read_file(source)
    assert file.keys == {"general.description": SkippedArray(8, 300_000), "general.name": "after"}
    assert source.bytes_read < 60_000


def test_the_kept_text_of_a_header_is_limited() -> None:
    file = read(gguf({f"a.{number}": "x" * 60_000 for number in range(30)}))
    kept = [value for value in file.keys.values() if isinstance(value, str)]
    assert len(kept) == limits.MAX_KEPT_TEXT_BYTES // 60_000
    assert len(file.keys) == 30


def test_arrays_within_an_array_are_skipped() -> None:
    form = Form()
    inner = form.value([Typed("u8", 1)])[4:] if False else form.number("I", 0) + form.length(2) + b"\1\2"
    texts = form.number("I", 8) + form.length(1) + form.text("a")
    value = form.number("I", 9) + form.number("I", 9) + form.length(2) + inner + texts
    data = form.start(0, 2) + form.text("a.nested") + value + form.key("a.after", 7)
    assert read(data).keys == {"a.nested": SkippedArray(9, len(value) - 16, 2), "a.after": 7}


# ---- tensors ----


def test_the_size_of_an_unknown_type_follows_from_the_offsets() -> None:
    tensors = [Tensor("a", (256, 4), 4711, 640), Tensor("b", (256, 8), 4711, 1280), f32("c", 8)]
    assert read(gguf({}, tensors)).sizes == (640, 1280, 32)


def test_the_size_of_a_last_tensor_of_unknown_type_is_the_rest_of_the_file() -> None:
    data = gguf({}, [f32("a", 8), Tensor("b", (256, 4), 4711, 640)])
    file = read(data)
    assert (file.sizes, file.end_inferred) == ((32, 640), True)


def test_the_size_of_the_last_tensor_follows_from_others_of_its_type() -> None:
    data = gguf({}, [Tensor("a", (256, 4), 4711, 640), f32("b", 8), Tensor("c", (256, 8), 4711, 1280)])
    file = read(data)
    assert (file.sizes, file.end_inferred) == ((640, 32, 1280), False)
    assert len(data) in file.file_sizes()


def test_the_size_of_a_single_unknown_tensor_in_a_file_of_unknown_size_is_unknown() -> None:
    source = BytesSource(gguf({}, [Tensor("a", (256, 4), 4711, 640)]))
    source.size = None
    file = read_file(source)
    assert (file.sizes, file.data_end, file.file_sizes()) == ((None,), None, ())


def test_a_type_number_reused_by_a_fork_takes_its_size_from_the_offsets() -> None:
    tensors = [Tensor("blk.0.a", (256, 4), 36, 288), f32("b", 8)]  # I2_S: 2 bits per weight and one scale
    assert read(gguf({}, tensors)).sizes == (288, 32)


def test_tensors_may_be_in_any_order() -> None:
    tensors = [f32("b", 8)._replace(offset=576), q4("a", 4)._replace(offset=0)]
    data = gguf({}, tensors)
    file = read(data)
    assert file.sizes == (32, 576)
    assert len(data) in file.file_sizes()


@pytest.mark.parametrize("alignment", [8, 64, 4096])
def test_the_alignment_is_read_from_the_file(alignment: int) -> None:
    data = gguf({"general.alignment": alignment}, LAYERS, alignment=alignment)
    assert len(data) in read(data).file_sizes()
    assert read(data).data_start % alignment == 0


def test_a_file_without_padding_at_its_end_is_verified() -> None:
    data = gguf({}, [f32("a", 3)])
    assert read(data[:-20]).file_sizes() == (len(data) - 20, len(data))


def test_an_incomplete_upload_is_detected_by_the_size() -> None:
    data = gguf({}, LAYERS)
    assert len(data) - 1000 not in read(data[:-1000]).file_sizes()


def test_tensors_may_not_overlap() -> None:
    tensors = [q4("a", 4), f32("b", 8)._replace(offset=64)]
    with pytest.raises(HeaderMalformed, match="576 bytes of 'a', got the next tensor after 64"):
        read(gguf({}, tensors))
