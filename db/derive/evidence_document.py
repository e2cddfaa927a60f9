"""The evidence of a repo, or of all its artifacts, as one short JSON text.

A quantized repo has hundreds of pieces, and most apply to every artifact of it: a row a piece takes ten times the room
on SQLite and thirty times on PostgreSQL. So pieces that apply to the same artifacts form a group,
`[[artifacts], [pieces]]`. An artifact is written as the difference of its number to the lowest of the repo, a piece as
twice its number, and one more where it gave its label the value. The view `label_evidence` makes rows of it again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping


def evidence_code(piece: int, *, resolved: bool) -> int:
    """How a piece of evidence, by its number, is written in a document."""
    return 2 * piece + resolved


def piece_number(code: int) -> int:
    """The number of the piece of evidence that is written so."""
    return code >> 1


def pack_evidence(codes: Mapping[int, Iterable[int]]) -> tuple[int, str]:
    """The lowest number among artifacts (0 for the repo itself), and the document of their pieces.

    Equal evidence gives equal text. A piece that is given both as resolved and as not counts as resolved.
    """
    first = min(codes)
    members: dict[int, list[int]] = defaultdict(list)
    for artifact in sorted(codes):
        for code in _without_unresolved_doubles(codes[artifact]):
            members[code].append(artifact - first)
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for code in sorted(members):
        groups[tuple(members[code])].append(code)
    return first, f"[{','.join(f'[{_numbers(those)},{_numbers(pieces)}]' for those, pieces in groups.items())}]"


def pack_repo_evidence(codes: Iterable[int]) -> str:
    """The document of a repo's own evidence, as `pack_evidence` writes it."""
    return f"[[[0],{_numbers(sorted(_without_unresolved_doubles(codes)))}]]"


def _without_unresolved_doubles(codes: Iterable[int]) -> set[int]:
    found = set(codes)
    return {code for code in found if code & 1 or code + 1 not in found}


def _numbers(values: Iterable[int]) -> str:
    return f"[{','.join(map(str, values))}]"
