"""A small catalog, written through the store: two days of a Hub with fourteen repos, labelled by hand.

It has one example of everything that saved queries look for: an original with copies by several owners (post-training,
QAT, plain and dynamic), a mixture of experts, an adapter, sidecars, the same bytes twice, a scheme that differs from
the claimed one, an incomplete upload, evaluations of a model and of its quantization, an orphan, a repo that vanished,
and text that a browser or a spreadsheet would execute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from analysis.catalog.fit_index import fill_fit_candidates
from analysis.files.card_sections import read_card
from db.labels import Labels
from db.record_base import Depth, Source
from db.records import (
    ArtifactRecord,
    CardRecord,
    CardRequest,
    ConflictRecord,
    EdgeRecord,
    Enrichment,
    EvalRecord,
    FileRecord,
    Header,
    Labelled,
    LabelRecord,
    Page,
    RepoRecord,
    Skipped,
)
from db.write.store import Store

FIRST = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
SECOND = FIRST + timedelta(days=1)
FORMULA = '=HYPERLINK("http://example.invalid","x")'
SCRIPT = "<script>alert('card')</script>"
BILLION = 10**9

GEMMA = {
    "layers": 34, "embedding": 2560, "heads": 8, "kv_heads": 4, "key_length": 256, "value_length": 256,
    "sliding_window": 1024, "vocabulary": 262144, "context": 131072,
}  # fmt: skip
LLAMA = {"layers": 32, "embedding": 4096, "heads": 32, "kv_heads": 8, "vocabulary": 128256, "context": 131072}
QWEN_MOE = {
    "layers": 48, "embedding": 2048, "heads": 32, "kv_heads": 4, "key_length": 128, "value_length": 128,
    "vocabulary": 151936, "context": 40960,
}  # fmt: skip


def content(text: str) -> str:
    """The content hash of a file with these bytes."""
    return sha256(text.encode()).hexdigest()


def evidence(labels: Labels) -> tuple[LabelRecord, ...]:
    """Evidence for every label that is set, as if from a name, or from a header if it is a measurement."""
    records = []
    for item in fields(labels):
        value = getattr(labels, item.name)
        if value in (None, (), False):
            continue
        for each in value if isinstance(value, tuple) else (value,):
            text = "true" if each is True else str(each)
            measured = item.name.endswith("measured") or item.name in ("bits_per_weight", "architecture")
            source: Source = "header" if measured else "name"
            records.append(LabelRecord(item.name, text, source, f"{source}-{item.name}", 60, resolved=True))
    return tuple(records)


def labelled(labels: Labels, conflicts: Sequence[ConflictRecord] = (), unclaimed: Sequence[str] = ()) -> Labelled:
    return Labelled(labels, evidence(labels), tuple(conflicts), (), tuple(unclaimed), "by-hand")


def header(key: str, labels: Labels, size: int, facts: Mapping[str, Any], *, verified: bool = True) -> Header:
    return Header(
        format=labels.format or "gguf",
        version=3,
        architecture=labels.architecture,
        parameters=labels.parameters_measured,
        active_parameters=labels.active_parameters_measured,
        tensor_count=400,
        types={"Q4_0": labels.parameters_measured or 0},
        quant=labels.quant_measured,
        quant_method=labels.quant_method,
        quant_share=0.9,
        bits_per_weight=labels.bits_per_weight,
        context=labels.context_measured,
        size=size if verified else size + 4096,
        size_verified=verified,
        content=content(key),
        facts={"geometry": dict(facts)},
    )


def artifact(path: str, size: int, key: str, role: str = "weights", form: str = "gguf") -> ArtifactRecord:
    return ArtifactRecord(path, role, form, (path,), size, content(key))  # type: ignore[arg-type]


class Model:
    """One repo of the small Hub with all that its enrichment finds."""

    def __init__(self, record: RepoRecord, labels: Labels, **more: Any) -> None:
        self.record = record
        is_adapter = labels.base_model_relation == "adapter"
        labels = replace(labels, kind="quantized" if labels.quantized else "adapter" if is_adapter else None)
        self.labels = labelled(labels, more.get("conflicts", ()), more.get("unclaimed", ()))
        self.artifacts: list[tuple[ArtifactRecord, Labelled]] = []
        self.headers: list[Header] = []

    def file(
        self, path: str, size: int, key: str, labels: Labels, facts: Mapping[str, Any] | None = None, **more: Any
    ) -> Model:
        """Adds one artifact of one file; `facts` are those of its header, if it was read."""
        role = more.get("role", "weights")
        made = artifact(path, size, key, role, labels.format or "gguf")
        self.artifacts.append((made, labelled(labels, more.get("conflicts", ()))))
        if facts is not None:
            self.headers.append(header(key, labels, size, facts, verified=more.get("verified", True)))
        return self

    def enrichment(self) -> Enrichment:
        files = [FileRecord(a.artifact, a.total_size, None, a.content) for a, _ in self.artifacts]
        files.append(FileRecord("README.md", 1200))
        depth: Depth = "headers" if self.headers else "files"
        return Enrichment(self.record, depth, self.labels, tuple(files), tuple(self.artifacts), tuple(self.headers))


def repo(repo_id: str, number: int, **values: Any) -> RepoRecord:
    given: dict[str, Any] = {
        "hub_id": f"{number:024x}",
        "author": repo_id.partition("/")[0],
        "sha": f"{number:040x}",
        "created_at": datetime(2025, 1 + number % 12, 3, tzinfo=UTC),
        "last_modified": datetime(2026, 10, number, tzinfo=UTC),
        "likes": 10 * number,
        "pipeline_tag": "text-generation",
        "library_name": "gguf",
        **values,
    }
    return RepoRecord(repo_id=repo_id, **given)


def quantized_of(parent: str) -> tuple[EdgeRecord, ...]:
    return (EdgeRecord(parent, "quantized", "card"),)


def gemmas() -> list[Model]:
    original = Labels(
        family="gemma", version="3", base_family="gemma", size="4B", parameters=4 * BILLION, tuning=("instruct",),
        specialty=("vision",), format="safetensors", quantized=False, quant="BF16", bits=16.0, languages=("en", "de"),
        parameters_measured=4_300_079_472, quant_measured="BF16", bits_per_weight=16.0, context_measured=131072,
        architecture="gemma3",
    )  # fmt: skip
    parent = "google/gemma-3-4b-it"
    copy = replace(
        original, specialty=(), format="gguf", quantized=True, quant_method="gguf", parameters_measured=3_880_263_168,
        base_model=parent, base_model_relation="quantized", languages=(), quant=None, bits=None, quant_measured=None,
        bits_per_weight=None,
    )  # fmt: skip

    def scheme(name: str, bits: float, width: float, **more: Any) -> Labels:
        return replace(copy, quant=name, bits=bits, bits_per_weight=width, **{"quant_measured": name, **more})

    q4_0 = scheme("Q4_0", 4, 6.5, qat=True)
    not_four = ConflictRecord("bits", "4.5", "name", "6.5", "tensors")
    scores = (
        EvalRecord("text-generation", "MMLU", "acc", 59.6, "card"),
        EvalRecord("text-generation", "TruthfulQA", "mc2", 50.4, "card"),
    )
    scores_w4 = (
        EvalRecord("text-generation", "mmlu", "acc", 58.1, "card"),
        EvalRecord("text-generation", "truthfulqa", "mc2", 49.9, "card"),
    )
    card = {"license": "gemma", "downloads": 900_000}
    w4 = replace(
        copy, format="safetensors", quant="W4A16", bits=4.0, quant_method="compressed-tensors", quant_measured="W4A16",
        bits_per_weight=5.9, group_size=128,
    )  # fmt: skip
    bart = Model(
        repo("bartowski/google_gemma-3-4b-it-GGUF", 3, license="gemma", downloads=120_000, edges=quantized_of(parent)),
        scheme("Q4_K_M", 4, 5.14, imatrix=True),
    )
    bart.file("google_gemma-3-4b-it-Q8_0.gguf", 4_130_402_464, "q8", scheme("Q8_0", 8, 8.52, imatrix=True), GEMMA)
    bart.file("google_gemma-3-4b-it-Q4_K_M.gguf", 2_489_758_112, "q4km", scheme("Q4_K_M", 4, 5.13, imatrix=True), GEMMA)
    bart.file(
        "google_gemma-3-4b-it-Q2_K.gguf", 1_728_912_672, "q2", scheme("Q2_K", 2, 3.56, quant_measured="Q3_K_S"), GEMMA,
        conflicts=[ConflictRecord("quant", "Q2_K", "file", "Q3_K_S", "tensors")],
    )  # fmt: skip
    bart.file("google_gemma-3-4b-it.imatrix", 4_000_000, "imatrix", Labels(format="gguf"), role="imatrix")
    uns = Model(
        repo("unsloth/gemma-3-4b-it-GGUF", 4, license="gemma", downloads=80_000, edges=quantized_of(parent)),
        scheme("Q4_K_XL", 4, 5.27, dynamic=True),
    )
    uns.file("gemma-3-4b-it-UD-Q4_K_XL.gguf", 2_540_000_000, "ud", scheme("Q4_K_XL", 4, 5.24, dynamic=True), GEMMA)
    uns.file("gemma-3-4b-it-Q4_K_XL.gguf", 2_600_000_000, "xl", scheme("Q4_K_XL", 4, 5.36))
    uns.file("gemma-3-4b-it-Q8_0.gguf", 4_130_402_464, "q8", scheme("Q8_0", 8, 8.52), GEMMA)
    return [
        Model(
            repo(parent, 1, gated="manual", library_name="transformers", evaluations=scores, languages=("en", "de"),
                 pipeline_tag="image-text-to-text", **card),
            original,
        ).file("model.safetensors", 8_600_158_944, "bf16", original, GEMMA),
        Model(
            repo("google/gemma-3-4b-it-qat-q4_0-gguf", 2, gated="manual", edges=quantized_of(parent), **card),
            q4_0, conflicts=[not_four],
        )
        .file("gemma-3-4b-it-q4_0.gguf", 3_155_051_328, "qat", q4_0, GEMMA, conflicts=[not_four])
        .file("mmproj-model-f16-4B.gguf", 851_251_104, "mmproj", Labels(format="gguf"), role="mmproj"),
        bart,
        uns,
        Model(
            repo("RedHatAI/gemma-3-4b-it-quantized.w4a16", 5, license="gemma", downloads=9_000, library_name="vllm",
                 edges=quantized_of(parent), evaluations=scores_w4),
            w4,
        ).file("model.safetensors", 3_170_000_000, "w4a16", w4, GEMMA),
    ]  # fmt: skip


def others() -> list[Model]:
    llama = Labels(
        family="llama", version="3.1", base_family="llama", size="8B", parameters=8 * BILLION, tuning=("instruct",),
        format="safetensors", quantized=False, quant="BF16", bits=16.0, languages=("en",),
        parameters_measured=8_030_261_248, quant_measured="BF16", bits_per_weight=16.0, context_measured=131072,
        architecture="llama", context=131072, license_spdx="LicenseRef-llama3.1", license_kind="use-restricted",
    )  # fmt: skip
    parent = "meta-llama/Llama-3.1-8B-Instruct"
    awq = replace(
        llama, quantized=True, quant="AWQ", quant_method="awq", bits=4.0, bits_per_weight=5.7, quant_measured="AWQ",
        base_model=parent, base_model_relation="quantized",
    )  # fmt: skip
    adapter = replace(
        llama, tuning=("lora",), parameters=None, parameters_measured=None, bits_per_weight=None, quant=None, bits=None,
        quant_measured=None, base_model=parent, base_model_relation="adapter", quantized=None, custom_code=True,
        license_spdx="MIT", license_kind="permissive",
    )  # fmt: skip
    moe = Labels(
        family="qwen", version="3", base_family="qwen", size="30B-A3B", parameters=30 * BILLION, experts=128,
        active_parameters=3 * BILLION, tuning=("instruct",), format="gguf", quantized=True, quant="Q4_K_M", bits=4.0,
        quant_method="gguf", parameters_measured=30_532_122_624, active_parameters_measured=3_353_032_704,
        quant_measured="Q4_K_M", bits_per_weight=4.86, context_measured=40960, architecture="qwen3moe",
        base_model="Qwen/Qwen3-30B-A3B", base_model_relation="quantized",
    )  # fmt: skip
    mystery = Labels(format="gguf", quantized=True, quant="Q5_0", quant_method="gguf", bits=5.0)
    whisper = Labels(
        family="whisper", size="large", version="3", format="safetensors", quantized=False, quant="F16", bits=16.0,
        specialty=("asr",), parameters_measured=1_543_490_560, parameters=1_000_000_000, architecture="whisper",
    )  # fmt: skip
    broken = replace(moe, parameters=None, experts=None, active_parameters=None, active_parameters_measured=None,
                     size="8B", parameters_measured=8_190_735_360, bits_per_weight=4.91, architecture="qwen3",
                     base_model="Qwen/Qwen3-8B")  # fmt: skip
    return [
        Model(
            repo(parent, 6, license="llama3.1", downloads=5_000_000, gated="manual", library_name="transformers"), llama
        ).file("model.safetensors", 16_060_556_376, "llama", llama, LLAMA),
        Model(
            repo("hugging-quants/Llama-3.1-8B-Instruct-AWQ-INT4", 7, license="llama3.1", downloads=300_000,
                 library_name="transformers", edges=quantized_of(parent)),
            awq,
        ).file("model.safetensors", 5_730_000_000, "awq", awq),
        Model(
            repo("somebody/llama-3.1-8b-lora", 8, downloads=12, edges=(EdgeRecord(parent, "adapter", "card"),),
                 library_name="peft"),
            adapter,
        ).file("adapter_model.safetensors", 83_000_000, "lora", adapter, role="adapter"),
        Model(
            repo("unsloth/Qwen3-30B-A3B-GGUF", 9, license="apache-2.0", downloads=60_000,
                 edges=quantized_of("Qwen/Qwen3-30B-A3B")),
            moe,
        ).file("Qwen3-30B-A3B-Q4_K_M.gguf", 18_556_685_824, "moe", moe, QWEN_MOE),
        Model(
            repo("stranger/frobnitz-GGUF", 10, license=FORMULA, downloads=3, pipeline_tag=SCRIPT), mystery,
            unclaimed=["frobnitz"],
        ).file(f"{SCRIPT.replace('/', '')}.gguf", 777_000_000, "mystery", mystery),
        Model(
            repo("openai/whisper-large-v3", 11, license="apache-2.0", downloads=4_000_000, library_name="transformers",
                 pipeline_tag="automatic-speech-recognition"),
            whisper,
        ).file("model.safetensors", 3_087_130_976, "whisper", whisper),
        Model(
            repo("halfway/Qwen3-8B-GGUF", 12, license="apache-2.0", downloads=40, library_name=None,
                 edges=quantized_of("Qwen/Qwen3-8B")),
            broken,
        ).file("Qwen3-8B-Q4_K_M.gguf", 5_027_783_488, "broken", broken, {}, verified=False),
        Model(repo("old/vanished-7b", 13, downloads=70), Labels(family="llama", size="7B", parameters=7 * BILLION)),
        Model(
            repo("someone/plain-writer-1b", 14, license="mit", downloads=900, library_name="transformers",
                 pipeline_tag=None, tags=("dataset:acme/corpus", "arxiv:2401.00001", "doi:10.1/x", "region:us", "en")),
            Labels(size="1B", parameters=BILLION, format="safetensors", quantized=False),
        ),
    ]  # fmt: skip


def build(db: str | Path) -> None:
    """Writes the catalog: everything on the first day; other download counts and one vanished repo on the second."""
    moment = FIRST
    models = [*gemmas(), *others()]
    with Store.open(db, create=True, clock=lambda: moment) as store:
        run = store.start_run("full", "", "https://hub.example")
        listed = tuple((model.record, labelled(model.labels.labels)) for model in models)
        skipped = Skipped("closed/gated", "gated", "ask for access first", FIRST)
        store.save_page(run, "", Page(listed, (skipped,), None))
        visited = [model for model in models if model.artifacts]
        store.save_enrichments(run, [(model.enrichment(), 0) for model in visited])
        store.finish_run(
            replace(
                run, finished_at=FIRST + timedelta(minutes=3), outcome="complete", repos_seen=len(models),
                repos_new=len(models), repos_skipped=1, repos_enriched=len(visited), api_requests=14,
                resolver_requests=30, bytes_read=4_000_000,
            )
        )  # fmt: skip
        moment = SECOND
        run = store.start_run("incremental", "", "https://hub.example")
        later = tuple(
            (replace(model.record, downloads=(model.record.downloads or 0) + 100), model.labels) for model in models[:4]
        )
        store.save_page(run, "", Page(later, (), None))
        store.set_status(run, models[-2].record.hub_id, "gone")
        store.finish_run(replace(run, finished_at=SECOND, outcome="complete", repos_seen=4, repos_changed=4))
        card = CardRequest(models[0].record.hub_id, models[0].record.repo_id, models[0].record.sha, 40, has_card=True)
        store.save_cards([CardRecord(card, read_card(b"# Limitations\n\nIt errs.", 40))], keep_text=False)
        store.save_account_kinds({"google": "organization", "somebody": "user"})
        fill_fit_candidates(store)
