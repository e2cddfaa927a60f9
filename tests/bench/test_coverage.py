"""The coverage of the vocabulary: what share of names states a label, and which words no rule knows."""

from __future__ import annotations

from bench.coverage import Word, measure_coverage


def test_coverage_counts_names_labels_and_unclaimed_words() -> None:
    found = measure_coverage(["Qwen/Qwen3-8B", "one/xyzzy-7b-xyzzy", "two/Xyzzy-GGUF", "two/plugh", ""])
    assert found.names == 4
    assert (found.stated["family"], found.stated["size"], found.stated["format"]) == (1, 2, 1)
    assert found.words == (Word("xyzzy", 2, 2, "one/xyzzy-7b-xyzzy"), Word("plugh", 1, 1, "two/plugh"))
