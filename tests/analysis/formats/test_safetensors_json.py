"""The quick way through a header's JSON gives what the general one gives, and names are known by their components."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import HeaderError
from analysis.formats.safetensors import header_json
from analysis.formats.safetensors.header_json import Spelling, parse
from analysis.formats.safetensors.packing.modules import split_name
from analysis.formats.safetensors.packing.names import NameTable, classify_module

TENSOR = '"dtype":"F32","shape":[2],"data_offsets":[0,8]'


def read(raw: bytes) -> tuple[Any, ...]:
    """What a JSON says, or the error that it ends in."""
    try:
        found = parse("a", raw)
    except HeaderError as error:
        return type(error), str(error)
    tensors = [(name, each.dtype, each.shape, each.size) for name, each in found.tensors.items()]
    return tensors, found.metadata, found.data_bytes


def read_generally(raw: bytes) -> tuple[Any, ...]:
    with mock.patch.object(header_json, "_parse_usual", return_value=None):
        return read(raw)


@pytest.mark.parametrize(
    ("spelling", "text"),
    [
        (Spelling.COMPACT, f'{{"a":{{{TENSOR}}}}}  \n'),
        (Spelling.SPACED, f'{{"__metadata__":{{"format":"a\\"b"}}, "a" : {{ {TENSOR} }} }}  '),
        (Spelling.SPACED, '{"a":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}}'),  # as MLX writes it
        (
            Spelling.COMPACT,
            '{"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]},"ö":{"dtype":"F12_E5","shape":[0],"data_offsets":[0,4]}}',
        ),
    ],
)
def test_what_libraries_write_is_taken_apart_quickly(spelling: Spelling, text: str) -> None:
    assert parse("a", text.encode()).spelling is spelling
    assert read(text.encode()) == read_generally(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        f'{{"a":{{{TENSOR},"b":1}}}}',
        f'{{"a\\u0062":{{{TENSOR}}}}}',
        f'{{"a":{{{TENSOR}}},"__metadata__":{{"format":"pt"}}}}',
        '{"__metadata__":null}',
        "{}",
    ],
)
def test_all_other_json_is_read_in_the_general_way(text: str) -> None:
    assert parse("a", text.encode()).spelling is Spelling.OTHER


SPACES = st.sampled_from(["", " ", "\n\t", "\u2003"])
LENGTHS = st.sampled_from(["[]", "[2]", "[ 1 , 2 ]", "[02]", "[-1]", "[1,]", "[2.0]", f"[{2**60}]", f"[{'1,' * 8}2]"])
OFFSETS = st.sampled_from(["[0,8]", "[8,16]", "[0,4]", "[4,12]", "[8,0]", "[0]", "[8,8]", "[0,99999999999999999999]"])
KEYS = st.tuples(st.sampled_from(['"F32"', '"I64"', '"X1"', '"f32"', '""', "1"]), LENGTHS, OFFSETS)
NAMES = st.sampled_from(['"a"', '"b.0"', '"c"', '"__metadata__"', '"\\u0061"', '"ö"', '""', "a"])


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """JSON of a few entries, much of it malformed."""
    space = draw(SPACES)
    found = []
    for _ in range(draw(st.integers(0, 3))):
        parts = [
            f'"{key}"{space}:{value}' for key, value in zip(("dtype", "shape", "data_offsets"), draw(KEYS), strict=True)
        ]
        parts = draw(st.permutations(parts))[: draw(st.sampled_from([3, 3, 3, 2]))]
        parts += draw(st.sampled_from([[], [], [], ['"x":1'], [parts[0]]]))
        found.append(f"{draw(NAMES)}:{space}{{{','.join(parts)}{space}}}")
    found[0:0] = draw(st.sampled_from([[], ['"__metadata__":{"a":"b"}'], ['"__metadata__":{"a":1,"a":1}']]))
    comma = draw(st.sampled_from([",", ",", ",", ", ", ";", ",,"]))
    end = draw(st.sampled_from(["}", "}", "}", "} \n", ",}", "}}", ""]))
    return f"{{{comma.join(found)}{end}".encode()


@settings(max_examples=300, deadline=None)
@given(objects())
def test_both_ways_give_the_same(raw: bytes) -> None:
    assert read(raw) == read_generally(raw)


# ---- Names -----------------------------------------------------------------------------------------------------------

COMPONENTS = st.sampled_from([
    "layers", "h", "blocks", "experts", "local_experts", "shared_experts", "mtp", "lm_head", "weight", "meta", "bias",
    "embed_tokens_per_layer", "gate_up_proj_blocks", "gate_up_proj", "w1_scale", "centroids", "0", "7", "12", "00012",
    "123456", "x1", "a\nb",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(COMPONENTS, min_size=1, max_size=6).map(".".join), min_size=1, max_size=8))
def test_names_that_differ_in_numbers_are_looked_up_together(names: list[str]) -> None:
    for name, found in zip(names, NameTable().look_up(names), strict=True):
        module, leaf = split_name(name)
        assert found.split(name) == (module, leaf)
        alone, together = classify_module(module), found.module
        for key in ("layer", "expert_at", "embeddings", "prediction", "per_layer", "routed"):
            assert getattr(together, key) == getattr(alone, key), (name, key)


def test_a_hundred_experts_are_one_name_and_two_layers_are_two() -> None:
    names = [f"model.layers.{layer}.mlp.experts.{at}.up_proj.weight" for layer in (3, 4) for at in range(100)]
    table = NameTable()
    found = list(table.look_up(names))
    assert len(set(map(id, found))) == len(table) == 2
    assert [found[0].module.layer, found[-1].module.layer] == [3, 4]
    assert names[7].split(".")[found[7].module.expert_at or 0] == "7"


def test_a_module_is_a_routed_expert_by_name_or_by_its_stack() -> None:
    routed = classify_module("model.layers.0.mlp.experts.5.up_proj")
    assert routed.is_routed_expert(0, 8)
    assert not classify_module("model.layers.0.mlp.shared_experts.experts.up_proj").is_routed_expert(8, 8)
    assert classify_module("model.layers.0.mlp.input_linear").is_routed_expert(8, 8)
    assert not classify_module("model.layers.0.mlp.input_linear").is_routed_expert(7, 8)
    assert not classify_module("model.layers.0.conv.input_linear").is_routed_expert(8, 8)


def test_layers_from_the_last_on_and_modules_of_that_name_predict() -> None:
    module = classify_module("model.layers.61.eh_proj")
    assert module.predicts(61) and not module.predicts(62) and not module.predicts(None)
    assert classify_module("model.mtp.eh_proj").predicts(None)


def test_json_of_the_hub_is_read_the_quick_way() -> None:
    """`json.dumps` of an answer puts a space after each comma and colon."""
    entry = {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}
    assert parse("a", json.dumps({"__metadata__": {"format": "pt"}, "a": entry}).encode()).spelling is Spelling.SPACED
