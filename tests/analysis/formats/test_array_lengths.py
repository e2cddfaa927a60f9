"""Which lengths of large arrays are learned, and in which order they are tried."""

from __future__ import annotations

from analysis.formats.array_lengths import ArrayLengths, LargeArray, SkipLength, digest, learn_lengths
from db.records import ArrayLength

RUN = (
    LargeArray("tokenizer.ggml.tokens", 3000, "t", 1000, 41_000, number=7, last=7),
    LargeArray("tokenizer.ggml.token_type", 3000, None, 41_045, 53_045, number=8, last=8),
    LargeArray("tokenizer.ggml.merges", 2000, "m", 53_090, 90_090, number=9, last=9),
)


def test_each_array_of_strings_teaches_its_length_and_that_to_the_runs_end() -> None:
    assert learn_lengths([RUN]) == (
        ArrayLength("tokenizer.ggml.tokens", 3000, "t", 40_000),
        ArrayLength("tokenizer.ggml.tokens+2", 3000, "t", 89_090),
        ArrayLength("tokenizer.ggml.merges+0", 2000, "m", 37_000),
    )


def test_small_keys_between_are_skipped_with_the_run() -> None:
    charsmap = LargeArray("tokenizer.ggml.precompiled_charsmap", 300_000, None, 60_000, 360_000, number=15, last=15)
    assert learn_lengths([(*RUN[:2], charsmap)])[1] == ArrayLength("tokenizer.ggml.tokens+8", 3000, "t", 359_000)


def test_a_skipped_run_teaches_the_same_length_again() -> None:
    skipped = LargeArray("tokenizer.ggml.tokens", 3000, "t", 500, 500 + 89_090, number=7, last=9)
    assert learn_lengths([(skipped,)]) == (ArrayLength("tokenizer.ggml.tokens+2", 3000, "t", 89_090),)


def test_whole_runs_come_first_and_the_latest_before_older_ones() -> None:
    lengths = ArrayLengths([
        ArrayLength("a+1", 9, "d", 100), ArrayLength("a", 9, "d", 50), ArrayLength("a+2", 9, "d", 200), ArrayLength("b",
        9, "d", 1),
    ])  # fmt: skip
    assert list(lengths.find("a", 9, "d")) == [
        SkipLength(200, 2, True),
        SkipLength(100, 1, True),
        SkipLength(50, 0, False),
    ]
    assert list(lengths.find("a", 8, "d")) == []


def test_a_length_that_was_not_tried_first_is_learned_again() -> None:
    older, later = ArrayLength("a+1", 9, "d", 100), ArrayLength("a+2", 9, "d", 200)
    lengths = ArrayLengths([older, later, ArrayLength("a", 9, "d", 50)])
    assert [lengths.is_known(layout) for layout in (older, later)] == [False, True]
    assert lengths.is_known(ArrayLength("a", 9, "d", 50))
    assert not lengths.is_known(ArrayLength("a", 9, "e", 50))
    assert ArrayLengths([older, later, older]).is_known(older)


def test_lengths_with_malformed_keys_are_left_out() -> None:
    assert list(ArrayLengths([ArrayLength("a+x", 1, "d", 5), ArrayLength("a+", 1, "d", 5)]).find("a", 1, "d")) == []


def test_the_digest_is_over_the_first_bytes_alone() -> None:
    assert digest(b"x" * 2048 + b"y") == digest(b"x" * 2048 + b"z") != digest(b"y" * 2048)
