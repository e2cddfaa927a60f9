"""Digests of tensors: what they keep apart, and what they find alike."""

from __future__ import annotations

import pytest

from analysis.formats.tensor_digests import Described, digest_tensors

TENSORS: list[Described] = [("token_embd.weight", (2048, 32000), "Q4_K"), ("output.weight", (2048, 32000), "Q6_K")]


def test_the_order_of_tensors_does_not_matter() -> None:
    assert digest_tensors(reversed(TENSORS)) == digest_tensors(TENSORS)


def test_another_quantization_has_the_same_shapes() -> None:
    other = digest_tensors([(name, shape, "F16") for name, shape, _ in TENSORS])
    assert other.shapes == digest_tensors(TENSORS).shapes
    assert other.layout != digest_tensors(TENSORS).layout


@pytest.mark.parametrize(
    "changed",
    [("token_embd", (2048, 32000), "Q4_K"), ("token_embd.weight", (2048, 32001), "Q4_K")],
    ids=["name", "shape"],
)
def test_another_name_or_shape_is_another_model(changed: Described) -> None:
    assert digest_tensors([changed, TENSORS[1]]).shapes != digest_tensors(TENSORS).shapes


def test_a_file_without_tensors_has_no_digest() -> None:
    assert digest_tensors([]) == (None, None)


def test_digests_are_stored_so_they_never_change() -> None:
    assert digest_tensors(TENSORS) == (1613699399787092605, 2465975120634042951)
