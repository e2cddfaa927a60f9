"""Headers and JSON that are made to cost: each is read, or refused, within limits of time and memory.

Each attack is small enough that a reader of linear time needs well under a second, and large enough that one of
quadratic time needs minutes. So the limits hold on a slow machine too.
"""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import HeaderBeyondLimits, HeaderError, HeaderMalformed
from analysis.formats import limits
from analysis.formats.array_lengths import ArrayLengths, learn_lengths
from analysis.formats.gguf.reader import read_file
from analysis.formats.readers import read_answer, read_artifact
from analysis.formats.source import BytesSource
from analysis.schemes.quantization_config import MAX_PATTERN_COMPARISONS, read_quantization_config
from analysis.untrusted import (
    JSON_LIST_BYTES,
    JSON_OBJECT_BYTES,
    JSON_VALUE_BYTES,
    MAX_CONTEXT,
    MAX_PARAMETERS,
    JsonTooLarge,
    check_json_memory,
    parse_json_text,
)
from db.records import ArrayLength, ArtifactRecord, Header
from tests.analysis.formats.gguf_file import LAYERS, Tensor, Typed, f32, gguf, model
from tests.analysis.formats.safetensors_file import entries, framed
from tests.security.costs import check_cost


def read(data: bytes, *, config: Mapping[str, Any] | None = None, size: int | None = None) -> Header:
    """The header of a file with these first bytes, which is as long as the header says where `size` is None."""
    kind = "gguf" if data.startswith(b"GGUF") else "safetensors"
    artifact = ArtifactRecord("evil", "weights", kind, ("evil",), None)
    source = BytesSource(data, "evil", size)
    if size is None:
        source.size = None
    return read_artifact(artifact, {}, lambda _: source, config=dict(config or {}))[0]


# ---- safetensors -----------------------------------------------------------------------------------------------------

REFUSED: dict[str, bytes] = {
    "quotes that are never closed": b'{"a":' + b'"\\' * 100_000 + b"[[," * 10_000,
    "escaped quotes": b'{"a":"' + b'\\",' * 100_000,
    "backslashes": b'{"a":"' + b"\\" * 200_001,
    "brackets that are never closed": b'{"a":' + b"[" * 300_000,
    "objects in objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "lists as dimensions": b'{"a":{"dtype":"F32","shape":[' + b"[" * 900 + b"]" * 900 + b'],"data_offsets":[0,4]}}',
    "dimensions of 4,000 digits": (
        b'{"a":{"dtype":"F32","shape":[' + b",".join([b"9" * 4000] * 8) + b'],"data_offsets":[0,4]}}'
    ),
    "a number of a million digits": b'{"a":{"dtype":"F32","shape":[' + b"9" * 1_000_000 + b'],"data_offsets":[0,4]}}',
    "a dtype of control characters": (
        b'{"a":{"dtype":"' + b"\\u0007" * 100_000 + b'","shape":[1],"data_offsets":[0,4]}}'
    ),
    "a name of line separators": b'{"' + b"\\u2028" * 600 + b'":1}',
    "lone surrogates": b'{"\\ud800":{"dtype":"\\udfff","shape":[1],"data_offsets":[0,4]}}',
    "more texts than tensors": b'{"a":[' + b'"ab",' * 50_000 + b"1]}",
    "more values than memory": b'{"a":[' + b"1.5," * 400_000 + b"1]}",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_safetensors_header_that_costs_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SAFETENSORS_MEMORY_BYTES", 20_000_000)

    def attack() -> None:
        with pytest.raises(HeaderError) as caught:
            read(framed(REFUSED[name]))
        assert len(str(caught.value)) < 500 and str(caught.value).isprintable()

    check_cost(attack)


def test_commas_and_brackets_in_a_text_of_megabytes_take_no_memory() -> None:
    """A text is skipped as one, however many of its characters look like structure."""
    raw = framed(b'{"__metadata__":{"a":"' + b"," * 6_000_000 + b'"}}')
    check_cost(lambda: read(raw))
    tracemalloc.start()
    read(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * len(raw)


def test_a_header_of_many_dtypes_keeps_few() -> None:
    count = 4 * limits.MAX_TYPES
    text = ",".join(
        f'"a{at}":{{"dtype":"X{at}","shape":[1],"data_offsets":[{4 * at},{4 * at + 4}]}}' for at in range(count)
    )
    assert len(read(framed(f"{{{text}}}".encode())).types) == limits.MAX_TYPES


def test_shards_share_one_limit_of_bytes_and_one_of_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("a-00001-of-00002.safetensors", "a-00002-of-00002.safetensors")
    artifact = ArtifactRecord("a", "weights", "safetensors", names, None)
    shards = {
        name: framed(str(entries({f"t{at}": ("F32", (2,))})).replace("'", '"').encode())
        for at, name in enumerate(names)
    }

    def read_shards() -> Header:
        return read_artifact(artifact, dict.fromkeys(names), lambda name: without_size(shards[name], name))[0]

    assert read_shards().tensor_count == 2
    monkeypatch.setattr(limits, "MAX_SAFETENSORS_TENSORS_OF_ALL_SHARDS", 1)
    with pytest.raises(HeaderBeyondLimits, match="tensors"):
        read_shards()
    monkeypatch.undo()
    monkeypatch.setattr(limits, "MAX_SAFETENSORS_HEADER_BYTES_OF_ALL_SHARDS", len(shards[names[0]]))
    with pytest.raises(HeaderBeyondLimits, match="bytes of headers in all shards"):
        read_shards()


def test_a_model_of_thousands_of_embeddings_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    header = framed(json.dumps(entries({f"{at}.embed_tokens.weight": ("F32", (2,)) for at in range(3)})).encode())
    monkeypatch.setattr(limits, "MAX_TABLES", 3)
    assert read(header).tensor_count == 3
    monkeypatch.setattr(limits, "MAX_TABLES", 2)
    with pytest.raises(HeaderBeyondLimits, match="at most 2 embeddings"):
        read(header)


MANY = limits.MAX_TENSOR_KINDS - 100
COSTLY: dict[str, str] = {
    "names that are all different": '"a{at}.experts.shared.lora_A.weight":{{"dtype":"F16","shape":[1],',
    "names of one module": '"a.x{at}":{{"dtype":"F16","shape":[1],',
    "names of components": '"a{at}.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z":{{"dtype":"F16","shape":[1],',
    "layers that are all different": '"layers.{at}.a.weight":{{"dtype":"F16","shape":[1],',
    "further fields": '"a.{at}.b":{{"a":0,"dtype":"F16","shape":[1],',
    "tensors of which nothing tells the count": '"a.{at}.in_perm":{{"dtype":"F16","shape":[1],',
}


def costly_header(entry: str) -> bytes:
    offsets = '"data_offsets":[{},{}]}}'
    entries = [entry.format(at=at) + offsets.format(2 * at, 2 * at + 2) for at in range(MANY)]
    return framed(f"{{{','.join(entries)}}}".encode())


@pytest.mark.parametrize("name", COSTLY)
def test_tensors_cost_no_more_than_those_of_a_valid_model(name: str) -> None:
    data = costly_header(COSTLY[name])
    found: list[Header] = []
    check_cost(lambda: found.append(read(data)))
    assert found[0].tensor_count == MANY


def test_modules_whose_shapes_do_not_tell_their_count_are_looked_up_once() -> None:
    leaves = {"indices": ("I32", (1, 2, 2)), "centroids.weight": ("F16", (1, 8))}
    tensors = {f"m.{at}.a.{leaf}": tensor for at in range(MANY // 2) for leaf, tensor in leaves.items()}
    data = framed(str(entries(tensors)).replace("'", '"').encode())
    found: list[Header] = []
    check_cost(lambda: found.append(read(data)))
    assert found[0].facts["unresolved"] == MANY // 2


@pytest.mark.parametrize("leaves", [("indices", "trellis"), ("dense_weights", "in_perm", "q_weight")])
def test_modules_with_parts_of_two_layouts_have_no_count(leaves: tuple[str, ...]) -> None:
    data = framed(str(entries({f"m.{leaf}": ("I32", (2,)) for leaf in leaves})).replace("'", '"').encode())
    assert (read(data).parameters, read(data).inferred) == (None, True)


@pytest.mark.parametrize(
    ("limit", "entry", "what"),
    [
        (
            "MAX_TENSOR_KINDS",
            '"a.{at}.b":{{"dtype":"F16","shape":[{at},0],',
            "at most 9 different shapes of 10 tensors",
        ),
        ("MAX_TENSOR_KINDS", '"a{at}.b":{{"dtype":"F16","shape":[0],', "at most 9 different modules of 10 tensors"),
        ("MAX_SPACED_SAFETENSORS_TENSORS", '"a":{{"dtype": "F16","shape":[0],', "at most 9 tensors in JSON that"),
        ("MAX_UNUSUAL_SAFETENSORS_TENSORS", '"a":{{"dtype":"F16","shape":[0],"x":{at},', "at most 9 tensors with"),
    ],
)
def test_kinds_of_tensors_are_limited(limit: str, entry: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_tensors(count: int) -> Header:
        texts = [entry.replace('"a"', f'"a.{at}.b"').format(at=at) + '"data_offsets":[0,0]}' for at in range(count)]
        return read(framed(f"{{{','.join(texts)}}}".encode()))

    monkeypatch.setattr(limits, limit, 9)
    assert read_tensors(9).tensor_count == 9
    with pytest.raises(HeaderBeyondLimits, match=what):
        read_tensors(10)


def test_many_tensors_may_have_fewer_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """All four have another shape, which four tensors may have and five may not."""
    monkeypatch.setattr(limits, "MAX_TENSOR_KINDS_TIMES_TENSORS", 16)
    names = [f"a.{at}.b" for at in range(5)]
    assert read(framed(json.dumps(entries({name: ("F16", (2 + int(name[2]),)) for name in names[:4]})).encode()))
    for shapes, what in (((2, 3, 4, 5, 5), "3 different shapes of 5"), ((2, 3, 4, 2, 2), None)):
        data = framed(json.dumps(entries({n: ("F16", (s,)) for n, s in zip(names, shapes, strict=True)})).encode())
        if what is None:
            assert read(data).tensor_count == 5
            continue
        with pytest.raises(HeaderBeyondLimits, match=what):
            read(data)


def without_size(data: bytes, name: str) -> BytesSource:
    source = BytesSource(data, name)
    source.size = None
    return source


def test_an_answer_about_shards_has_the_same_limits() -> None:
    artifact = ArtifactRecord("a", "weights", "safetensors", ("a.safetensors", "b.safetensors"), None)
    entry = {"dtype": "F32", "shape": [9] * 50, "data_offsets": [0, 4]}
    with pytest.raises(HeaderBeyondLimits):
        read_answer({"headers": {"a.safetensors": {"t": entry}}}, artifact, {}, {})


# ---- configurations --------------------------------------------------------------------------------------------------

MODULES = 4_000


def packed(leaf: str, *more: tuple[str, str, tuple[int, ...]]) -> bytes:
    """A header of many modules with packed weights."""
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    for at in range(MODULES):
        tensors[f"m{at}.{leaf}"] = ("U32" if more else "I32", (1, 8))
        tensors |= {f"m{at}.{name}": (dtype, shape) for name, dtype, shape in more}
    return framed(str(entries(tensors)).replace("'", '"').encode())


CONFIGS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "settings of modules that do not fit": (
        packed("weight", ("scales", "F16", (1, 3))),
        {"quantization": {"bits": 4, **{f"x.{at}": {"bits": 3, "group_size": at} for at in range(20_000)}}},
    ),
    "patterns of modules": (
        packed("qweight"),
        {"quantization_config": {"quant_method": "gptq", "modules": {f"{'m*' * 140}z{at}": 1 for at in range(3000)}}},
    ),
    "groups in the settings of all modules": (
        packed("qweight"),
        {"quantization_config": {"quant_method": "gptq", "modules": {"m*": {"config_groups": {
            str(at): {"weights": {"num_bits": 2**39}} for at in range(20_000)
        }}}}},
    ),
    "a type that is long to write": (
        packed("qweight"),
        {"quantization_config": {"quant_method": "gptq", "modules": {"m*": {"quant_type": ["x"] * 100_000}}}},
    ),
    "groups that do not fit": (
        packed("weight_packed"),
        {"quantization_config": {"quant_method": "compressed-tensors", "config_groups": {
            str(at): {"weights": {"num_bits": 3, "group_size": 7}} for at in range(20_000)
        }}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_costs_no_more_than_its_size_and_that_of_the_header(name: str) -> None:
    data, config = CONFIGS[name]
    check_cost(lambda: read(data, config=config))


def test_few_patterns_are_compared_with_many_modules() -> None:
    found = read_quantization_config({"quant_method": "gptq", "modules": {f"*.a{at}*": {} for at in range(100)}})
    assert len(found.patterns) == 100
    assert found.limit_patterns(5000) is found
    assert len(found.limit_patterns(100_000).patterns) == MAX_PATTERN_COMPARISONS // 100_000


# ---- GGUF ------------------------------------------------------------------------------------------------------------

BASE = {"general.architecture": "llama"}


def test_a_million_empty_strings_are_skipped_one_by_one() -> None:
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"a" + struct.pack("<IIQ", 9, 8, 1_000_000)
    check_cost(lambda: read(head + bytes(8_000_000)))


@pytest.mark.parametrize("key", ["+", "+5", "+a+5", "tokenizer.ggml.tokens+2", "a b", "[]", "general", "\\", "'"])
def test_a_key_that_is_not_of_the_specification_is_unknown(key: str) -> None:
    data = gguf({**BASE, key: [""] * 1100}, LAYERS)
    file = read_file(BytesSource(data))
    learned = learn_lengths(file.runs)
    assert read(data).architecture == "llama"
    assert all("+" not in key and each.key.startswith(key) for each in learned)
    again = read_file(BytesSource(data), ArrayLengths(learned))
    assert again.tensors == file.tensors


@pytest.mark.parametrize("key", ["", "\x1b[31m", "a\nb", "a\u202eb", "a\x00"])
def test_a_key_that_is_no_printable_text_is_refused(key: str) -> None:
    with pytest.raises(HeaderMalformed):
        read(gguf({**BASE, key: 1}, LAYERS))


def test_keys_and_tensor_names_may_be_any_printable_text() -> None:
    tensors = (*LAYERS, f32("blk.0.größe.weight", 16))
    assert read(gguf({**BASE, "general.my key": 1}, tensors)).tensor_count == len(tensors)


@pytest.mark.parametrize("key", ["", "+1", "a+", "a+x", "a+²", "a+1+1", "a+" + "9" * 5000])
def test_a_stored_length_whose_key_is_malformed_is_left_out(key: str) -> None:
    stored = ArrayLength(key, 1100, "0" * 32, 10)
    assert list(ArrayLengths([stored]).find(key.partition("+")[0], 1100, "0" * 32)) == []


@pytest.mark.parametrize("stated", [2**64 - 1, 2**63, MAX_CONTEXT + 1, 0])
def test_a_context_that_no_model_has_is_unknown(stated: int) -> None:
    found = read(gguf({**BASE, "llama.block_count": 2, "llama.context_length": Typed("u64", stated)}, LAYERS))
    assert found.context is None
    assert "context" not in found.facts["geometry"] or not stated
    assert found.facts["geometry"]["layers"] == 2


@pytest.mark.parametrize("stated", ["4096", -4096, True, 1e30, float("nan"), {}, 2**64 - 1])
def test_a_context_of_another_type_is_unknown(stated: Any) -> None:
    config = {"model_type": "mystery", "max_position_embeddings": stated}
    found = read(framed(str(entries({"w": ("F16", (8, 8))})).replace("'", '"').encode()), config=config)
    assert found.context is None and "context" not in found.facts.get("geometry", {})


def test_a_context_of_the_largest_allowed_length_is_kept() -> None:
    found = read(gguf({**BASE, "llama.context_length": Typed("u64", MAX_CONTEXT)}, LAYERS))
    assert found.context == found.facts["geometry"]["context"] == MAX_CONTEXT


@pytest.mark.parametrize(
    "key",
    ["block_count", "expert_count", "attention.head_count", "rope.scaling.original_context_length"],
)
def test_no_number_is_kept_that_a_database_could_not_hold(key: str) -> None:
    found = read(gguf({**BASE, f"llama.{key}": Typed("u64", 2**64 - 1)}, LAYERS))
    assert str(2**64 - 1) not in repr(found)


def test_tensors_of_more_parameters_than_any_model_have_no_count() -> None:
    elements = 2**49
    tensors = [Tensor(f"blk.{at}.w", (elements,), 24, at * elements) for at in range(2)]
    assert 2 * elements > MAX_PARAMETERS
    found = read(gguf(BASE, [])[:8] + gguf_infos(tensors), size=2**60)
    assert (found.tensor_count, found.parameters, found.active_parameters) == (2, None, None)


def gguf_infos(tensors: list[Tensor]) -> bytes:
    """Counts, one key and the infos of tensors, without their data."""
    infos = b"".join(
        struct.pack("<Q", len(each.name)) + each.name.encode()
        + struct.pack("<IQIQ", 1, each.shape[0], each.type, at * each.shape[0])
        for at, each in enumerate(tensors)
    )  # fmt: skip
    key = b"general.architecture"
    value = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, 5) + b"llama"
    return struct.pack("<QQ", len(tensors), 1) + value + infos


def test_shards_share_the_limit_of_a_gguf_header(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("a-00001-of-00002.gguf", "a-00002-of-00002.gguf")
    artifact = ArtifactRecord("a", "weights", "gguf", names, None)
    data = gguf(model(40), LAYERS)
    start = read_file(BytesSource(data)).data_start

    def read_shards() -> Header:
        return read_artifact(artifact, {}, lambda name: BytesSource(data, name))[0]

    monkeypatch.setattr(limits, "MAX_GGUF_HEADER_BYTES", 2 * start)
    read_shards()
    monkeypatch.setattr(limits, "MAX_GGUF_HEADER_BYTES", 2 * start - 1)
    with pytest.raises(HeaderBeyondLimits, match="in all shards"):
        read_shards()


# ---- JSON ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [b"[],", b'{"":1},', b"1.5,", b'"ab",', b"[[]],"])
def test_json_of_too_many_values_is_refused_before_it_is_parsed(piece: bytes) -> None:
    raw = b"[" + piece * (1_000_000 // len(piece)) + b"1]"

    def attack() -> None:
        with pytest.raises(JsonTooLarge, match="10,000,000 bytes"):
            parse_json_text(raw, 10_000_000)

    check_cost(attack)


def test_json_of_90_megabytes_is_refused_within_the_limits() -> None:
    raw = b"[" + b"[]," * 30_000_000 + b"1]"

    def attack() -> None:
        with pytest.raises(JsonTooLarge):
            parse_json_text(raw)

    check_cost(attack)


@pytest.mark.parametrize("piece", [b"]a", b']""', b'}"a"'])
def test_signs_that_end_values_cost_no_time(piece: bytes) -> None:
    """The text makes it look too large, so that all is scanned; what ends a value takes no memory of its own."""
    raw = b'["' + b"{" * 2_000_000 + b'",' + piece * (25_000_000 // len(piece))
    check_cost(lambda: check_json_memory(raw))


def test_structure_within_texts_is_not_counted() -> None:
    text = b'["' + b'[{,\\"' * 1000 + b'"]'
    check_json_memory(text, 4 * len(text))
    with pytest.raises(JsonTooLarge):
        check_json_memory(text.replace(b'"', b""), 4 * len(text))


def test_wide_characters_are_counted_as_wide() -> None:
    narrow, wide = b'["' + b"a" * 1000 + b'"]', b'["' + b"a" * 1000 + '😀"]'.encode()
    check_json_memory(narrow, 2000)
    with pytest.raises(JsonTooLarge):
        check_json_memory(wide, 2000)


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"", b"[" + b"9" * 5000 + b"]"])
def test_invalid_json_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json_text(raw)


# ---- any input -------------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text('a"\\[]{},:é😀\x00', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a"\\,{', max_size=4), inner, max_size=4),
    max_leaves=20,
)
PIECES = st.sampled_from([
    b'"', b"\\", b'\\"', b"[", b"]", b"{", b"}", b",", b":", b'"a":', b'"dtype":"F32"', b'"shape":[1]', b"1e999", b"-1",
    b'"data_offsets":[0,4]', b'"__metadata__"', b"NaN", b"9" * 30, b"9" * 5000, b"\\ud800", "😀".encode(),
    b"\xff", b"0",
])  # fmt: skip


CONFIG_KEYS = (
    "num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "max_position_embeddings",
    "rope_scaling", "layer_types", "block_configs", "quantization_config", "text_config", "lora_alpha", "peft_type",
    "architectures", "model_type", "attn_layer_period", "attn_layer_offset", "hybrid_override_pattern", "vocab_size",
)  # fmt: skip


def count_cost(value: Any) -> int:
    """What `check_json_memory` has to count of a value, by the value itself."""
    commas = max(0, len(value) - 1) if isinstance(value, dict | list) else 0
    if isinstance(value, dict):
        return JSON_OBJECT_BYTES + JSON_VALUE_BYTES * commas + sum(map(count_cost, value.values()))
    if isinstance(value, list):
        return JSON_LIST_BYTES + JSON_VALUE_BYTES * commas + sum(map(count_cost, value))
    return 0


@given(VALUES, st.booleans())
def test_the_memory_of_any_json_is_counted_exactly(value: Any, ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    cost = count_cost(value)
    text_bytes = len(raw) * (1 if raw.isascii() else 4)
    check_json_memory(raw, text_bytes + cost)
    if cost:
        with pytest.raises(JsonTooLarge):
            check_json_memory(raw, text_bytes + cost - 1)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=40), st.integers(1, 200))
def test_any_text_gives_a_header_or_a_header_error(pieces: list[bytes], times: int) -> None:
    """Pieces of JSON in any order, some of them many times."""
    raw = b"{" + b"".join(pieces) + b"".join(pieces[:3]) * times
    try:
        check_can_be_stored(read(framed(raw)))
    except HeaderError as error:
        assert str(error).isprintable() and len(str(error)) < 600


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(CONFIG_KEYS), VALUES, max_size=6))
def test_any_configuration_gives_a_header_that_can_be_stored(config: dict[str, Any]) -> None:
    tensors = {"model.layers.0.m.qweight": ("I32", (1, 8)), "model.layers.0.n.weight": ("F16", (8, 8))}
    check_can_be_stored(read(framed(str(entries(tensors)).replace("'", '"').encode()), config=config))


def check_can_be_stored(header: Header) -> None:
    """Fails for a header that a database, or an answer in JSON, could not hold."""
    json.dumps([header.types, header.facts], allow_nan=False).encode()
    assert header.context is None or 0 < header.context <= MAX_CONTEXT
    assert header.parameters is None or 0 < header.parameters <= MAX_PARAMETERS
