"""What is remembered of big arrays, and in which order it is tried."""

from __future__ import annotations

from analysis.formats.gguf.array_lengths import ArrayLengths, LargeArray, SkipLength, digest, learn_lengths
from db.records import ArrayLength

RUN = (
    LargeArray("tokenizer.ggml.tokens", 3000, "t", 1000, 41_000, number=7, last=7),
    LargeArray("tokenizer.ggml.token_type", 3000, None, 41_045, 53_045, number=8, last=8),
    LargeArray("tokenizer.ggml.merges", 2000, "m", 53_090, 90_090, number=9, last=9),
)


def test_each_array_of_strings_teaches_itself_and_the_way_to_the_runs_end() -> None:
    assert learn_lengths([RUN]) == (
        ArrayLength("tokenizer.ggml.tokens", 3000, "t", 40_000),
        ArrayLength("tokenizer.ggml.tokens+2", 3000, "t", 89_090),
        ArrayLength("tokenizer.ggml.merges+0", 2000, "m", 37_000),
    )


def test_small_keys_between_are_jumped_with_the_run() -> None:
    charsmap = LargeArray("tokenizer.ggml.precompiled_charsmap", 300_000, None, 60_000, 360_000, number=15, last=15)
    assert learn_lengths([(*RUN[:2], charsmap)])[1] == ArrayLength("tokenizer.ggml.tokens+8", 3000, "t", 359_000)


def test_a_run_that_was_jumped_teaches_the_same_run_again() -> None:
    jumped = LargeArray("tokenizer.ggml.tokens", 3000, "t", 500, 500 + 89_090, number=7, last=9)
    assert learn_lengths([(jumped,)]) == (ArrayLength("tokenizer.ggml.tokens+2", 3000, "t", 89_090),)


def test_whole_runs_come_first_and_the_latest_before_older_ones() -> None:
    layouts = ArrayLengths([
        ArrayLength("a+1", 9, "d", 100), ArrayLength("a", 9, "d", 50), ArrayLength("a+2", 9, "d", 200), ArrayLength("b",
        9, "d", 1),
    ])  # fmt: skip
    assert list(layouts.find("a", 9, "d")) == [
        SkipLength(200, 2, True),
        SkipLength(100, 1, True),
        SkipLength(50, 0, False),
    ]
    assert list(layouts.find("a", 8, "d")) == []


def test_a_run_that_was_not_the_first_to_be_tried_is_learnt_anew() -> None:
    older, later = ArrayLength("a+1", 9, "d", 100), ArrayLength("a+2", 9, "d", 200)
    layouts = ArrayLengths([older, later, ArrayLength("a", 9, "d", 50)])
    assert [layouts.is_known(layout) for layout in (older, later)] == [False, True]
    assert layouts.is_known(ArrayLength("a", 9, "d", 50))
    assert not layouts.is_known(ArrayLength("a", 9, "e", 50))
    assert ArrayLengths([older, later, older]).is_known(older)


def test_a_layout_with_a_key_of_no_known_form_is_left_out() -> None:
    assert list(ArrayLengths([ArrayLength("a+x", 1, "d", 5), ArrayLength("a+", 1, "d", 5)]).find("a", 1, "d")) == []


def test_the_digest_is_over_the_first_bytes_alone() -> None:
    assert digest(b"x" * 2048 + b"y") == digest(b"x" * 2048 + b"z") != digest(b"y" * 2048)
