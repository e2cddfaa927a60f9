"""`hf-catalog relabel` changes only labels of another vocabulary, makes no request and reports what changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from analysis.labels.resolve import label_repo_and_artifacts
from analysis.query.reader import CatalogReader
from analysis.vocabulary.vocabulary import vocabulary
from crawler.cli import cli
from db.errors import CatalogMissing
from db.records import ArtifactRecord, Enrichment, FileRecord, Header, Labelled, Page, RepoRecord
from db.write.store import Store

SHA = "a" * 64
QUANT = ArtifactRecord("Llama-3-8B-Q4_K_M.gguf", "weights", "gguf", ("Llama-3-8B-Q4_K_M.gguf",), 4_920_734_304, SHA)
HEADER = Header(
    format="gguf", version=3, architecture="llama", parameters=8_030_261_312, active_parameters=8_030_261_312,
    tensor_count=291, types={"Q4_K": 7 * 10**9, "Q6_K": 10**9}, quant="Q4_K_M", quant_method="gguf", quant_share=0.8,
    bits_per_weight=4.9, context=8192, size=4_920_734_304, size_verified=True, content=SHA,
)  # fmt: skip
REPOS = (
    RepoRecord(
        "1", "a/Llama-3-8B-GGUF", "a", sha="1", tags=("gguf", "base_model:quantized:meta-llama/Meta-Llama-3-8B")
    ),
    RepoRecord("2", "mlx-community/gemma-3-4b-it-4bit", "mlx-community", config={"model_type": "gemma3"}),
    RepoRecord("3", "b/merged", "b", card={"base_model": ["z/Qwen2.5-7B", "a/Qwen2.5-7B"]}),
)


def outdated(labelled: Labelled, **changes: Any) -> Labelled:
    """Labels as an earlier vocabulary made them."""
    return replace(labelled, labels=replace(labelled.labels, **changes), vocabulary="of last year")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[str]:
    """Three repos, all labelled by an earlier vocabulary without gemma; the header of the first is stored."""
    path = str(tmp_path / "catalog.db")
    with Store.open(path, create=True) as store, store.crawling():
        run = store.start_run("full", "", "http://hub")
        labelled = [outdated(label_repo_and_artifacts(repo, ())[0]) for repo in REPOS]
        labelled[1] = outdated(labelled[1], family=None, version=None)
        store.save_page(run, "", Page(tuple(zip(REPOS, labelled, strict=True)), (), None))
        whole, artifacts = label_repo_and_artifacts(REPOS[0], (QUANT,), {QUANT.artifact: HEADER})
        enrichment = Enrichment(
            REPOS[0], "headers", outdated(whole), (FileRecord(QUANT.artifact, QUANT.total_size, None, SHA),),
            tuple((artifact, outdated(found, quant="Q4_K")) for artifact, found in artifacts), (HEADER,),
        )  # fmt: skip
        store.save_enrichments(run, [(enrichment, 0)])
        store.finish_run(replace(run, outcome="complete"))
    yield path


def relabel(db: str, *options: str) -> Result:
    return CliRunner().invoke(cli, ["relabel", "--db", db, *options], catch_exceptions=False)


def read(db: str, sql: str) -> list[dict[str, Any]]:
    with CatalogReader(db) as reader:
        return reader.all(sql)


def test_a_dry_run_reports_changes_and_writes_nothing(db: str) -> None:
    before = Path(db).read_bytes()
    result = json.loads(relabel(db, "--dry-run", "--json").stdout)
    assert (result["repos"], result["dry_run"], result["vocabulary"]) == (3, True, vocabulary().digest)
    assert result["fields"] == {"family": 1, "version": 1}
    assert result["artifact_fields"] == {"quant": 1}
    example = {"repo_id": REPOS[1].repo_id, "field": "family", "before": None, "after": "gemma", "artifact": None}
    assert example in result["examples"]
    assert read(db, "select family from models where hub_id = '2'") == [{"family": None}]
    assert Path(db).read_bytes() == before


def test_labels_equal_those_of_a_new_crawl(db: str) -> None:
    result = json.loads(relabel(db, "--json").stdout)
    assert (result["repos"], result["labels"]) == (3, 2)
    assert read(db, "select family, version from models where hub_id = '2'") == [{"family": "gemma", "version": "3"}]
    whole, artifacts = label_repo_and_artifacts(REPOS[0], (QUANT,), {QUANT.artifact: HEADER})
    (row,) = read(db, "select * from models where hub_id = '1'")
    assert {name: row[name] for name in ("quant", "parameters_measured", "bits_per_weight", "base_model")} == {
        name: getattr(whole.labels, name) for name in ("quant", "parameters_measured", "bits_per_weight", "base_model")
    }
    assert row["depth"] == "headers"
    assert read(db, "select quant, quant_measured from artifacts_wide") == [
        {"quant": artifacts[0][1].labels.quant, "quant_measured": "Q4_K_M"}
    ]
    evidence = read(
        db, "select source from labels where repo_id = 'a/Llama-3-8B-GGUF' and field = 'parameters_measured'"
    )
    assert {row["source"] for row in evidence} == {"tensors"}


def test_the_base_model_does_not_depend_on_the_order_of_stored_edges(db: str) -> None:
    relabel(db)
    assert read(db, "select base_model from models where hub_id = '3'") == [{"base_model": "z/Qwen2.5-7B"}]


def test_an_interrupted_relabel_continues_where_it_was(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.read.load.LOAD_BATCH", 1)
    with Store.open(db) as store:  # one batch, then the process ends
        batch = next(store.stale_batches(vocabulary().digest))
        from crawler.cli.relabel import add_labels, label_batch

        store.save_labels(None, add_labels(batch, label_batch(batch)))
    assert json.loads(relabel(db, "--json").stdout)["repos"] == 2
    before = read(db, "select * from labels")
    again = json.loads(relabel(db, "--json").stdout)
    assert (again["repos"], again["labels"], again["fields"]) == (0, 0, {})
    assert read(db, "select * from labels") == before and read(db, "select * from stale_labels") == []


def test_human_output_is_a_summary_and_a_table(db: str) -> None:
    dry_run = relabel(db, "--dry-run").stdout
    assert "3 repos would be relabelled" in dry_run
    assert "2 labels of repos and 1 labels of files would change" in dry_run
    assert "family" in dry_run and REPOS[1].repo_id in dry_run and "gemma" in dry_run
    assert "3 repos were relabelled" in relabel(db).stdout
    assert "All labels are of the current vocabulary" in relabel(db).stdout


def test_a_missing_catalog_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogMissing):
        relabel(str(tmp_path / "none.db"))
