"""huggingface_hub's own client, unchanged: if it is content, the sample Hub speaks as the Hub does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RemoteEntryNotFoundError

from samplehub import MEMBER, READER, SampleHub


@pytest.fixture(scope="module")
def api(hub: SampleHub) -> HfApi:
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    return HfApi(endpoint=hub.endpoint, token=False)


def test_list_models_walks_all_pages(hub: SampleHub, api: HfApi) -> None:
    found = list(api.list_models(sort="created_at", limit=10_000))
    open_to_all = [repo for repo in hub.catalog if not repo.private and not repo.disabled]
    assert len(found) == len({model.id for model in found}) == len(open_to_all) > 300
    dates = [model.created_at for model in found if model.created_at]
    assert dates == sorted(dates, reverse=True)


def test_list_models_filters(api: HfApi) -> None:
    assert {model.id.split("/")[0] for model in api.list_models(author="Qwen")} == {"Qwen"}
    assert all("gguf" in (model.tags or ()) for model in api.list_models(filter="gguf"))
    quantized = list(api.list_models(filter="base_model:quantized:google/gemma-3-4b-it"))
    assert {"google/gemma-3-4b-it-qat-q4_0-gguf", "bartowski/google_gemma-3-4b-it-GGUF"} <= {m.id for m in quantized}
    assert all("smollm" in model.id.lower() for model in api.list_models(search="smollm"))
    small = list(api.list_models(num_parameters="min:100M,max:200M"))
    assert "HuggingFaceTB/SmolLM2-135M" in {model.id for model in small}
    assert all(model.gated for model in api.list_models(gated=True, expand=["gated"]))


def test_list_models_expands(api: HfApi) -> None:
    keys = [
        "author",
        "baseModels",
        "cardData",
        "config",
        "gguf",
        "safetensors",
        "sha",
        "siblings",
        "tags",
        "evalResults",
    ]
    found = {model.id: model for model in api.list_models(expand=keys)}  # type: ignore[arg-type]
    gemma = found["google/gemma-3-1b-it"]
    assert gemma.safetensors is not None and gemma.safetensors.total == 999_885_952
    assert gemma.config == {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text"}
    assert found["ggml-org/gemma-3-1b-it-GGUF"].gguf["total"] == 999_885_952  # type: ignore[index]
    assert gemma.downloads is None  # was not asked for


def test_model_info(api: HfApi) -> None:
    info = api.model_info("Qwen/Qwen2.5-7B-Instruct-AWQ", files_metadata=True)
    assert info.card_data is not None and info.card_data["license"] == "apache-2.0"
    assert info.safetensors is not None
    assert info.safetensors.parameters == {"F16": 1_090_328_064, "I32": 6_525_288_448}  # as the Hub itself counts it
    weights = [file for file in info.siblings or () if file.rfilename.endswith(".safetensors")]
    assert len(weights) == 2 and all(file.lfs and file.lfs.sha256 and file.size for file in weights)
    assert api.model_info("Qwen/Qwen2.5-7B-Instruct-AWQ", revision=info.sha).sha == info.sha


def test_evaluations(api: HfApi) -> None:
    index = api.model_info("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16").model_index
    assert index is not None
    results = {one["dataset"]["type"]: one["metrics"][0]["value"] for one in index[0]["results"]}
    assert results["mmlu"] == 67.46 and results["gsm8k"] == 81.2


def test_results_in_files_of_their_own(api: HfApi) -> None:
    found = api.model_info("openai/gpt-oss-120b", expand=["evalResults", "siblings"])
    assert {(one.dataset_id, one.task_id, one.value) for one in found.eval_results or ()} == {
        ("Idavidrein/gpqa", "diamond", 80.1),
        ("cais/hle", "default", 14.9),
    }
    assert ".eval_results/diamond.yaml" in {file.rfilename for file in found.siblings or ()}


def test_tree_and_paths(api: HfApi) -> None:
    repo = "black-forest-labs/FLUX.1-dev"
    whole = {entry.path for entry in api.list_repo_tree(repo, recursive=True)}
    assert {"transformer", "transformer/config.json", "model_index.json"} <= whole
    assert {entry.path for entry in api.list_repo_tree(repo, "vae")} == {
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    }
    found = api.get_paths_info(repo, ["model_index.json", "vae", "nothing-here"])
    assert [entry.path for entry in found] == ["model_index.json", "vae"]
    assert set(api.list_repo_files(repo)) == {path for path in whole if "." in path.rpartition("/")[2]}
    assert all(entry.last_commit for entry in api.list_repo_tree(repo, expand=True))


def test_branches(api: HfApi) -> None:
    repo = "turboderp/Llama-3.1-8B-Instruct-exl3"
    names = [branch.name for branch in api.list_repo_refs(repo).branches]
    assert names[0] == "main" and "4.0bpw" in names
    assert "model.safetensors" not in api.list_repo_files(repo)
    assert any(path.endswith(".safetensors") for path in api.list_repo_files(repo, revision="4.0bpw"))


def test_headers_of_safetensors(api: HfApi) -> None:
    one = api.parse_safetensors_file_metadata("Qwen/Qwen3-0.6B", "model.safetensors")
    assert one.parameter_count == {"BF16": 751_632_384}
    ranged = api.get_safetensors_metadata("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B")
    assert ranged.sharded and ranged.parameter_count == {"BF16": 7_615_616_512}
    at_once = api.get_sharded_safetensors_metadata("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B")
    assert at_once.parameter_count == ranged.parameter_count
    assert at_once.metadata == ranged.metadata


def test_files(hub: SampleHub, api: HfApi, tmp_path: Path) -> None:
    assert api.file_exists("Qwen/Qwen3-8B", "config.json")
    assert api.file_exists("unsloth/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q4_K_M.gguf")
    assert not api.file_exists("Qwen/Qwen3-8B", "nothing-here")
    for name in ("config.json", "README.md"):
        path = Path(api.hf_hub_download("Qwen/Qwen3-8B", name, cache_dir=tmp_path))
        assert path.read_bytes() == hub.catalog["Qwen/Qwen3-8B"].files[name].head()
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download("Qwen/Qwen3-8B", "nothing-here", cache_dir=tmp_path)


def test_gates(hub: SampleHub, tmp_path: Path) -> None:
    repo, name = "google/gemma-3-4b-it", "config.json"
    assert HfApi(endpoint=hub.endpoint, token=False).model_info(repo).gated == "manual"
    for token in (False, READER):
        with pytest.raises(GatedRepoError):
            HfApi(endpoint=hub.endpoint, token=token).hf_hub_download(repo, name, cache_dir=tmp_path)
    member = HfApi(endpoint=hub.endpoint, token=MEMBER)
    assert Path(member.hf_hub_download(repo, name, cache_dir=tmp_path)).is_file()
    assert member.whoami()["name"] == "member"


def test_what_is_not_there(hub: SampleHub, api: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="Invalid username or password"):
        api.model_info("sample-owner/never-was")
    with pytest.raises(HfHubHTTPError, match="Access to this resource is disabled"):
        api.model_info("sample-owner/disabled-upload")
    assert api.model_info("gpt2").id == "openai-community/gpt2"


def test_the_global_endpoint() -> None:
    """As people use it: HF_ENDPOINT in the environment, functions from the package."""
    program = (
        "from huggingface_hub import list_models, model_info;"
        "print(sum(1 for _ in list_models(author='microsoft')), model_info('microsoft/phi-4').safetensors.total)"
    )
    with SampleHub() as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
        environment.pop("HF_HUB_OFFLINE", None)
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    count, total = done.stdout.split()
    assert int(count) > 10 and int(total) == 14_659_507_200, done.stderr
