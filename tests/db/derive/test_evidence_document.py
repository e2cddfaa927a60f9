"""Documents of evidence: pieces that apply to the same artifacts are one group."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from db.derive.evidence_document import evidence_code, pack_evidence, pack_repo_evidence


def test_a_repo_of_two_artifacts() -> None:
    family, quant, other = (evidence_code(piece, resolved=True) for piece in (10, 11, 12))
    claim = evidence_code(13, resolved=False)
    assert (family, claim) == (21, 26)
    packed = pack_evidence({500: [quant, family, claim], 502: [family, other, claim]})
    assert packed == (500, "[[[0,2],[21,26]],[[0],[23]],[[2],[25]]]")


def test_a_repo_itself_is_written_as_its_only_artifact_would_be() -> None:
    assert (0, pack_repo_evidence([7, 3])) == pack_evidence({0: [3, 7]}) == (0, "[[[0],[3,7]]]")


def test_a_piece_that_is_resolved_and_not_counts_as_resolved() -> None:
    assert pack_repo_evidence([4, 5, 8]) == "[[[0],[5,8]]]"


@given(st.dictionaries(st.integers(1, 50), st.sets(st.integers(1, 20).map(lambda piece: 2 * piece + 1)), min_size=1))
def test_every_piece_comes_back_once(codes: dict[int, set[int]]) -> None:
    first, text = pack_evidence(codes)
    links = [(first + place, code) for places, pieces in json.loads(text) for place in places for code in pieces]
    assert sorted(links) == sorted((artifact, code) for artifact, own in codes.items() for code in own)
