"""parse_name: kinds of names, owners, folders, invalid names, and the form of the result."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import get_type_hints

import pytest

from analysis.errors import InvalidName
from analysis.names import NameLabels, Token, parse_name
from db.labels import LABELS, Labels


def test_a_repo_id() -> None:
    found = parse_name("google/gemma-3-4b-it-qat-q4_0-gguf")
    assert (found.kind, found.owner, found.name) == ("repo", "google", "gemma-3-4b-it-qat-q4_0-gguf")
    assert (found.family, found.version, found.size, found.parameters) == ("gemma", "3", "4B", 4_000_000_000)
    assert (found.tuning, found.qat, found.quant, found.bits, found.format) == (("instruct",), True, "Q4_0", 4, "gguf")
    assert found.tokens[0] == Token("google", 0, 6, "owner", "google", "owner")


def test_a_bare_name_and_a_file() -> None:
    assert parse_name("gemma-3-4b-it").kind == "repo"
    file = parse_name("Qwen3-8B-UD-Q4_K_XL.gguf")
    assert (file.kind, file.owner, file.role, file.quant, file.dynamic) == ("file", None, "weights", "Q4_K_XL", True)


def test_a_folder_completes_the_labels_of_a_file() -> None:
    assert parse_name("BF16/model-00001-of-00002.gguf").quant == "BF16"
    assert parse_name("Q4_0/model-Q8_0.gguf").quant == "Q8_0"
    found = parse_name("UD-TQ1_0/Kimi-K3-UD-TQ1_0-00005-of-00012.gguf")
    assert (found.quant, found.shard, found.version, found.dynamic) == ("TQ1_0", "5/12", "K3", True)


def test_a_repo_completes_the_labels_of_its_file() -> None:
    found = parse_name("unsloth/Qwen3-235B-A22B-GGUF::UD-Q2_K_XL/model-00001-of-00002.gguf")
    assert (found.kind, found.owner, found.name) == ("file", "unsloth", "Qwen3-235B-A22B-GGUF")
    assert (found.family, found.parameters, found.active_parameters) == ("qwen", 235_000_000_000, 22_000_000_000)
    assert (found.quant, found.shard) == ("Q2_K_XL", "1/2")


def test_a_sidecar_does_not_have_the_size_of_its_model() -> None:
    for name in ("mmproj-google_gemma-3-4b-it-f16.gguf", "mtp-gemma-4-12B-it.gguf", "nvidia/gpt-oss-120b-Eagle3-v3"):
        assert parse_name(name).parameters is None, name
    assert parse_name("unsloth/gemma-3-4b-it-GGUF::mmproj-F16.gguf").parameters is None


def test_an_owner_sets_the_format_and_nothing_else() -> None:
    lent = parse_name("mlx-community/Qwen3-8B-4bit")
    assert (lent.format, lent.quant, lent.quant_method) == ("mlx", "MLX-4BIT", "mlx")
    plain = parse_name("somebody/Qwen3-8B-4bit")
    assert (plain.format, plain.quant, plain.bits) == (None, None, 4)
    assert parse_name("gemma-7b/model").family is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("x" * 513, "longer than 512 bytes"),
        ("é" * 257, "longer than 512 bytes"),
        ("a\x01b", "control characters"),
        ("a\u202bb\n", "control characters"),
        ("a\udcffb", "control characters"),
    ],
)
def test_an_invalid_name_states_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidName, match=reason):
        parse_name(text)


def test_name_labels_survive_pickling() -> None:
    found = parse_name("Qwen/Qwen3-8B")
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301


def test_name_labels_have_a_field_for_each_declared_label_that_names_claim() -> None:
    """With its type and default; the other fields describe the name itself."""
    declared = {each.name: each for each in LABELS if each.is_claimed_by_names}
    hints, label_hints = get_type_hints(NameLabels), get_type_hints(Labels)
    found = {each.name: each for each in dataclasses.fields(NameLabels)}
    of_the_name = {"input", "kind", "owner", "name", "revision", "file", "role", "shard", "frame", "parts", "_tokens"}
    assert found.keys() - of_the_name == declared.keys()
    assert {name: hints[name] for name in declared} == {name: label_hints[name] for name in declared}
    assert {name: found[name].default for name in declared} == {name: declared[name].default for name in declared}


def test_as_dict_has_the_contracts_order() -> None:
    plain = parse_name("LoneStriker/Mixtral-8x7B-v0.1-6.0bpw-h6-exl2").as_dict()
    assert list(plain)[:6] == ["input", "kind", "owner", "name", "family", "base_family"]
    assert list(plain)[-6:] == ["revision", "file", "role", "shard", "tokens", "unclaimed"]
    assert plain["bits"] == 6 and isinstance(plain["bits"], int)
    assert plain["tokens"][0].keys() == {"text", "start", "end", "label", "value", "rule"}
    assert isinstance(plain["tuning"], list)


@pytest.mark.parametrize(
    "name",
    [
        "LoneStriker/Mixtral-8x7B-v0.1-6.0bpw-h6-exl2",
        "mlx-community/Qwen3-30B-A3B-4.65bit",
        "unsloth/gemma-3-4b-it-qat-UD-Q4_K_XL.gguf",
        'who/é "quoted" \\ 名前-7B::x\\y-00001-of-00002.gguf',
        "hf.co/someone/Llama-3.1-8B-GGUF:Q4_K_M",
        "nothing",
    ],
)
def test_the_json_of_a_name_is_that_of_its_plain_values(name: str) -> None:
    found = parse_name(name)
    assert found.as_json() == json.dumps(found.as_dict())
