"""The documents of evidence (db/derive/evidence_document.py) as rows of the view label_evidence.

Documents are read many at a time by numpy, from the bytes of all of them, as json.loads would make a Python object of
each of their numbers: a snapshot of the whole Hub has 70 million rows of evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

MAX_DIGITS = 18
"""Digits of a number; more would not be a 64-bit integer."""

DEEPEST = 3
"""Brackets around a number: the document, its group, the group's artifacts or pieces."""


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents in the order of their repos: arrays of 64-bit integers, and an Arrow array of texts."""

    repos: Any
    firsts: Any
    pieces: Any

    def part(self, start: int, stop: int) -> Documents:
        return Documents(self.repos[start:stop], self.firsts[start:stop], self.pieces[start:stop])


def read_evidence(pa: Any, batches: Iterable[Documents], schema: Any) -> Iterator[Any]:
    """The rows of documents as record batches with the columns repo, artifact, evidence and resolved.

    They are ordered by these, though the database is asked for its documents alone, ordered by repo. Raises ValueError
    for a text that is no document.
    """
    import numpy as np

    held: Documents | None = None  # those of the last repo, which may have more in the next batch
    for batch in batches:
        found = batch if held is None else join_documents(pa, held, batch)
        complete = int(np.searchsorted(found.repos, found.repos[-1]))
        if complete:
            yield evidence_batch(pa, found.part(0, complete), schema)
        held = found.part(complete, len(found.repos))
    if held is not None:
        yield evidence_batch(pa, held, schema)


def join_documents(pa: Any, first: Documents, second: Documents) -> Documents:
    import numpy as np

    return Documents(
        np.concatenate([first.repos, second.repos]),
        np.concatenate([first.firsts, second.firsts]),
        pa.concat_arrays([first.pieces, second.pieces]),
    )


def evidence_batch(pa: Any, documents: Documents, schema: Any) -> Any:
    """One record batch of documents. Raises ValueError."""
    import numpy as np

    groups = parse_documents(documents.pieces)
    code_counts = groups.sizes[1::2]
    rows = groups.sizes[0::2] * code_counts  # of each group: each of its artifacts with each of its pieces
    place = np.arange(int(rows.sum())) - np.repeat(np.cumsum(rows) - rows, rows)  # within its group
    per_member = np.repeat(code_counts, rows)
    starts = np.cumsum(groups.sizes) - groups.sizes
    member = groups.numbers[np.repeat(starts[0::2], rows) + place // per_member]
    code = groups.numbers[np.repeat(starts[1::2], rows) + place % per_member]
    document = np.repeat(groups.documents, rows)
    repo, artifact = documents.repos[document], documents.firsts[document] + member
    order = np.lexsort((code, artifact, repo))
    code = code[order]
    arrays = [repo[order], artifact[order], code >> 1, code & 1 == 1]
    return pa.RecordBatch.from_arrays([pa.array(each) for each in arrays], schema=schema)


@dataclass(frozen=True, slots=True)
class Groups:
    """What documents hold: all their numbers in order, how many each list has (the lists of artifacts and of pieces
    take turns), and the index of the document of each group."""

    numbers: Any
    sizes: Any
    documents: Any


def parse_documents(texts: Any) -> Groups:
    """Reads an Arrow array of documents. Raises ValueError for a text that is none."""
    import numpy as np

    if texts.null_count:
        raise ValueError("malformed evidence: null")
    _, ends_buffer, data_buffer = texts.buffers()
    ends = np.frombuffer(ends_buffer, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(data_buffer, np.uint8)[ends[0] : ends[-1]] if data_buffer else np.zeros(0, np.uint8)
    ends = ends - ends[0]
    opens, closes, commas = data == ord("["), data == ord("]"), data == ord(",")
    digits = (data >= ord("0")) & (data <= ord("9"))
    depth = np.cumsum(opens.astype(np.int8) - closes.astype(np.int8), dtype=np.int32)
    before = np.concatenate([[0], depth])  # before each byte, and at the end
    in_list = depth == DEEPEST
    list_opens, list_closes = opens & in_list, closes & (before[:-1] == DEEPEST)
    group_opens = np.flatnonzero(opens & (depth == DEEPEST - 1))
    follows = np.concatenate([[False], digits[:-1]])
    starts, stops = np.flatnonzero(digits & ~follows), np.flatnonzero(follows & ~digits)
    well_formed = (
        len(data) > 0
        and bool((opens | closes | commas | digits).all())
        and int(depth.min()) >= 0
        and int(depth.max()) <= DEEPEST
        and not before[ends].any()  # each document closes all that it opens
        and bool((np.diff(ends) > 0).all())
        and len(starts) == len(stops)
        and bool(in_list[starts].all())
        and int((stops - starts).max(initial=1)) <= MAX_DIGITS
    )
    if not well_formed:
        raise ValueError("malformed evidence: no lists of lists of numbers")
    first_numbers = np.searchsorted(starts, np.flatnonzero(list_opens))
    sizes = np.searchsorted(starts, np.flatnonzero(list_closes)) - first_numbers
    lists = np.searchsorted(np.flatnonzero(list_opens), np.append(group_opens, len(data)))
    if not (bool((np.diff(lists) == 2).all()) and len(sizes) == 2 * len(group_opens) and bool((sizes > 0).all())):
        raise ValueError("malformed evidence: a group has a list of artifacts and one of pieces")
    return Groups(numbers_of(data, starts, stops), sizes, np.searchsorted(ends, group_opens, side="right") - 1)


def numbers_of(data: Any, starts: Any, stops: Any) -> Any:
    """The numbers whose digits are at data[start:stop], all at once: as many steps as the longest has digits."""
    import numpy as np

    numbers = np.zeros(len(starts), np.int64)
    lengths = stops - starts
    for digit in range(int(lengths.max(initial=0))):
        has = lengths > digit
        numbers[has] = numbers[has] * 10 + (data[starts[has] + digit] - ord("0"))
    return numbers
