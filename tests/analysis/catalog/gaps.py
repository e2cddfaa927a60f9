"""A catalog with gaps, written through the store: each repo lacks something that `fits` would like to know.

No header, no files, an unknown context, a mixture of experts that does not state its active parameters, a size that
can't be, shards that are missing, access on request, other tasks than text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from analysis.catalog.fit_index import fill_fit_candidates
from db.labels import Labels
from db.records import EvalRecord, Page
from db.write.store import Store
from tests.small_catalog import BILLION, FIRST, LLAMA, Model, labelled, quantized_of, repo

QWEN = Labels(
    family="qwen", version="3", base_family="qwen", size="8B", parameters=8 * BILLION, tuning=("instruct",),
    format="safetensors", quantized=False, quant="BF16", bits=16.0,
)  # fmt: skip
MEASURED = replace(QWEN, parameters_measured=8_190_735_360, context_measured=40_960, architecture="qwen3")
COPY = replace(
    QWEN, format="gguf", quantized=True, quant="Q4_K_M", quant_method="gguf", bits=4.0, base_model="Qwen/Qwen3-8B",
    base_model_relation="quantized",
)  # fmt: skip
MIXTURE = replace(COPY, size="20B", parameters=20 * BILLION, family="gpt-oss", version=None, experts=32)
SIZES = {"Q4_K_M": 5_030_000_000, "Q8_0": 8_710_000_000}


def gguf(repo_id: str, number: int, labels: Labels, size: int, **values: Any) -> Model:
    """A repo with one GGUF file whose header was not read; `parts`: how many of its shards are there."""
    name = repo_id.partition("/")[2].removesuffix("-GGUF")
    edges = quantized_of(labels.base_model) if labels.base_model else ()
    record = repo(repo_id, number, **{"license": None, "edges": edges, "downloads": 1000, **values})
    return Model(record, labels).file(f"{name}-{labels.quant}.gguf", size, repo_id, labels)


def with_files() -> list[Model]:
    other = replace(COPY, base_model=None, base_model_relation=None, family="frobnitz", version=None)
    embedding = replace(COPY, specialty=("embedding",), base_model=None, base_model_relation=None)
    return [
        Model(repo("Qwen/Qwen3-8B", 1, license="apache-2.0", downloads=900_000, library_name="transformers"), MEASURED)
        .file("model.safetensors", 16_381_470_720, "qwen", MEASURED, {**LLAMA, "context": 40_960}),
        gguf("copies/Qwen3-8B-GGUF", 2, COPY, SIZES["Q4_K_M"], downloads=50_000),
        gguf("others/Qwen3-8B-GGUF", 3, replace(COPY, quant="Q8_0", bits=8.0), SIZES["Q8_0"]),
        gguf("lost/frobnitz-8b-GGUF", 4, other, SIZES["Q4_K_M"]),
        gguf("mixed/gpt-oss-20b-GGUF", 5, replace(MIXTURE, base_model=None), 12_000_000_000),
        gguf("tiny/Qwen3-30B-GGUF", 6, replace(other, parameters=30_700_000_000, quant="Q6_K"), 7_500_000_000),
        gguf("locked/Qwen3-8B-GGUF", 7, replace(COPY, base_model="locked/Qwen3-8B"), SIZES["Q4_K_M"], gated="manual"),
        gguf("search/Qwen3-Embedding-8B-GGUF", 8, embedding, SIZES["Q4_K_M"]),
        gguf("sound/whisper-8b-GGUF", 9, replace(other, family="whisper"), SIZES["Q4_K_M"],
             pipeline_tag="automatic-speech-recognition"),
    ]  # fmt: skip


def listed_only() -> list[Model]:
    """As a crawl to the depth of the listing leaves them: no files."""
    return [
        Model(repo("listed/Qwen3-8B-Q4_K_M-GGUF", 11, downloads=400, edges=quantized_of("Qwen/Qwen3-8B")), COPY),
        Model(repo("listed/unknown-scheme", 12, downloads=300), replace(QWEN, quant=None, bits=None, quantized=None)),
    ]


def build(db: str | Path, models: Sequence[Model]) -> str:
    """Writes the models; those with artifacts are enriched."""
    with Store.open(db, create=True, clock=lambda: FIRST) as store:
        run = store.start_run("full", "", "https://huggingface.co")
        store.save_page(run, "", Page(tuple((each.record, labelled(each.labels.labels)) for each in models), (), None))
        store.save_enrichments(run, [(each.enrichment(), 0) for each in models if each.artifacts])
        store.finish_run(replace(run, finished_at=FIRST, outcome="complete", repos_seen=len(models)))
        fill_fit_candidates(store)
    return str(db)


def enrich(db: str, models: Sequence[Model]) -> None:
    """A second crawl finds these models' files as they are now."""
    with Store.open(db, clock=lambda: FIRST + timedelta(days=1)) as store:
        run = store.start_run("full", "", "https://huggingface.co")
        store.save_enrichments(run, [(each.enrichment(), 0) for each in models])
        store.finish_run(replace(run, finished_at=FIRST, outcome="complete"))
        fill_fit_candidates(store)


def result(model: Model, dataset: str, value: float) -> Model:
    """The model with a published result on its card."""
    evaluations = (*model.record.evaluations, EvalRecord("text-generation", dataset, "accuracy", value, "card"))
    model.record = replace(model.record, evaluations=evaluations)
    return model
