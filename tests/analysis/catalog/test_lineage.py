"""Lineage: the tree of one model on both engines, and the largest trees of a family."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from analysis.catalog.lineage import largest_family, lineage_trees, load_tree, walk_tree
from analysis.query.reader import CatalogReader


@pytest.fixture
def reader(small_on_both: str) -> Iterator[CatalogReader]:
    with CatalogReader(small_on_both) as reader:
        yield reader


def test_a_tree_begins_at_the_most_distant_ancestor(reader: CatalogReader) -> None:
    root = load_tree(reader, "unsloth/gemma-3-4b-it-GGUF")
    assert root.repo_id == "google/gemma-3-4b-it" and root.depth == 0 and not root.missing
    assert [node.repo_id for node in walk_tree(root)][1] == "google/gemma-3-4b-it-qat-q4_0-gguf"
    assert {node.relation for node in root.children} == {"quantized"}
    missing = load_tree(reader, "halfway/Qwen3-8B-GGUF")
    assert missing.missing and missing.children[0].repo_id == "halfway/Qwen3-8B-GGUF"


def test_a_cycle_of_parents_ends(db: str) -> None:
    from dataclasses import replace

    from db.records import EdgeRecord, Page
    from db.write.store import Store
    from tests.small_catalog import labelled, others

    model = others()[-1]
    cycle = [("a/one", "a/two"), ("a/two", "a/three"), ("a/three", "a/one")]
    listed = tuple(
        (
            replace(model.record, repo_id=name, hub_id=f"{at:024x}", edges=(EdgeRecord(parent, "finetune", "card"),)),
            labelled(model.labels.labels),
        )
        for at, (name, parent) in enumerate(cycle)
    )
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", Page(listed, (), None))
    with CatalogReader(db) as reader:
        assert len(list(walk_tree(load_tree(reader, "a/one")))) == 3


def test_lineage_trees_put_each_model_under_its_parent(small: str) -> None:
    with CatalogReader(small) as reader:
        assert largest_family(reader) == "gemma"
        (tree,) = lineage_trees(reader, "gemma")
        (cut,) = lineage_trees(reader, "gemma", children=2)
    assert tree.repo_id == "google/gemma-3-4b-it" and tree.descendants == 4
    assert [child.repo_id.partition("/")[0] for child in tree.children] == [
        "google",
        "bartowski",
        "unsloth",
        "RedHatAI",
    ]
    assert len(cut.children) == 2 and cut.hidden == 2


def test_a_parent_that_is_not_in_the_catalog_keeps_its_children(small: str) -> None:
    with CatalogReader(small) as reader:
        tops = {tree.repo_id: tree for tree in lineage_trees(reader, "qwen")}
    assert tops["Qwen/Qwen3-30B-A3B"].known is False
    assert tops["Qwen/Qwen3-30B-A3B"].children[0].repo_id == "unsloth/Qwen3-30B-A3B-GGUF"
