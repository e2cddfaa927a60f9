"""The depth of the relation graph is what the view roots says: chains, several parents, absent ones, cycles."""

from __future__ import annotations

import random

import pytest

from analysis.query.reader import CatalogReader
from analysis.query.saved import find_saved_query
from db.write.store import Store
from tests.db.made import page, repo

BY_THE_VIEW = """
select
    coalesce(l.depth, 0) as depth,
    count(*) as models,
    sum(case when l.missing then 1 else 0 end) as with_missing,
    sum(case when l.roots > 1 then 1 else 0 end) as with_several_roots,
    sum(r.downloads) as downloads
from repos as r
left join roots as l on l.repo_id = r.repo_id
where r.type = 'model' and r.status <> 'gone'
group by coalesce(l.depth, 0)
order by depth
"""
MODELS = 24


def random_edges(seed: int) -> set[tuple[int, str]]:
    """(model, parent): mostly an earlier model in any letter case, sometimes a later one, itself, or an absent one."""
    chance = random.Random(seed)
    edges: set[tuple[int, str]] = set()
    for model in range(1, MODELS + 1):
        for _ in range(chance.choice((0, 1, 1, 2))):
            parent = chance.randrange(max(0, model - 4), model + (2 if chance.random() < 0.1 else 0))
            name = f"acme/gemma-3-{parent}b-it-GGUF"
            if chance.random() < 0.2:
                name = f"absent/{chance.randrange(3)}"
            edges.add((model, chance.choice((name, name.upper()))))
    return edges


@pytest.mark.parametrize("seed", range(4))
def test_depths_are_those_of_the_view(db: str, seed: int) -> None:
    with Store.open(db, create=True) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page(range(1, MODELS + 1)))
        with store._writing() as rows:
            rows.execute("delete from edges")
            sql = "insert into edges (repo, parent, relation, source, declared) values (?, ?, 'finetune', ?, ?)"
            rows.many(sql, [(*edge, source, True) for edge in random_edges(seed) for source in ("api", "tag")])
    with CatalogReader(db) as reader:
        found = reader.all(find_saved_query("relation-depth").sql)
        assert found == reader.all(BY_THE_VIEW)
    assert len(found) > 4 and sum(row["models"] for row in found) == MODELS
    assert any(row["with_missing"] for row in found) and any(row["with_several_roots"] for row in found)


def test_a_model_has_not_the_parents_of_the_one_that_had_its_id_before(db: str) -> None:
    with Store.open(db, create=True) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([1]))
        store.save_page(run, "", page([2], repo_id=repo(1).repo_id, edges=()))
    with CatalogReader(db) as reader:
        assert reader.all("select status from repos order by id") == [{"status": "gone"}, {"status": "available"}]
        found = reader.all(find_saved_query("relation-depth").sql)
    assert [(row["depth"], row["models"]) for row in found] == [(0, 1)]
