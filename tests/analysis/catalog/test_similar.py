"""Re-uploads by their bytes, near-duplicates by their names, on both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.catalog.similar import bare_name, find_similar
from analysis.errors import UnknownModel
from analysis.query.reader import CatalogReader
from db.records import Page
from db.write.store import Store
from tests.db.made import enrichment, labelled, repo

NAMES = {
    1: "maker/gemma-3-4b-it-GGUF",
    2: "copier/my-upload",
    3: "other/gemma-3-4b-it-GGUF",
    4: "other/gemma-3-4b-it-gguf-v2",
    5: "other/gemma-3-27b-it-GGUF",
    6: "other/entirely-different",
}


@pytest.fixture
def catalog(db: str) -> str:
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        sizes = {5: "27B", 6: None}
        entries = [(repo(n, repo_id=name), labelled(size=sizes.get(n, "4B"))) for n, name in NAMES.items()]
        store.save_page(run, "", Page(tuple(entries), (), None))
        visits = [enrichment(1, files=("a.gguf", "b.gguf"), record=entries[0][0], labelled=entries[0][1])]
        visits.append(enrichment(2, files=("a.gguf", "c.gguf"), record=entries[1][0]))
        sidecar = enrichment(6, files=("b.gguf",), record=entries[5][0])
        (artifact, labels), *_ = sidecar.artifacts
        visits.append(replace(sidecar, artifacts=((replace(artifact, role="mmproj"), labels),)))
        store.save_enrichments(run, [(visit, 0) for visit in visits])
    return db


def test_equal_bytes_come_first_whatever_the_name(catalog: str) -> None:
    with CatalogReader(catalog) as reader:
        found = find_similar(reader, NAMES[1])
    assert [(each.repo_id, each.why) for each in found] == [
        (NAMES[2], "same weights"),
        (NAMES[6], "same weights"),
        (NAMES[3], "same name"),
        (NAMES[4], "like name"),
    ]
    assert (found[0].artifact, found[0].shared_artifacts, found[0].shared_size) == ("a.gguf", 1, 1001)
    assert found[2].shared_size is None and found[2].similarity == 100.0


def test_a_shared_projector_does_not_make_a_copy(catalog: str) -> None:
    with CatalogReader(catalog) as reader:
        found = find_similar(reader, NAMES[6])
    assert [(each.repo_id, each.why) for each in found][:1] == [(NAMES[1], "same part")]


def test_names_are_compared_without_owners_and_in_any_order(catalog: str) -> None:
    assert bare_name("Some-Owner/Gemma_3-4B.it") == "gemma 3 4b.it"
    with CatalogReader(catalog) as reader, pytest.raises(UnknownModel):
        find_similar(reader, "nobody/nothing")
