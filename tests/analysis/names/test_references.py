"""References as people paste them: which repo, revision and file each names, and which labels follow."""

from __future__ import annotations

import pytest

from analysis.names import parse_name
from analysis.names.references import find_reference, find_repo_id, parse_selection

SHA = "043235d6088ecd3dd5fb5ca3592b6913fd516027"
GGUF = "Qwen3-8B-Q4_K_M.gguf"


@pytest.mark.parametrize(
    ("text", "repo", "revision", "file", "tag"),
    [
        # addresses
        ("https://huggingface.co/google/gemma-3-4b-it", "google/gemma-3-4b-it", None, None, None),
        ("https://huggingface.co/google/gemma-3-4b-it/", "google/gemma-3-4b-it", None, None, None),
        ("hf.co/google/gemma-3-4b-it", "google/gemma-3-4b-it", None, None, None),
        ("https://huggingface.co/gpt2", "gpt2", None, None, None),
        ("https://huggingface.co/gpt2/blob/main/config.json", "gpt2", "main", "config.json", None),
        (f"https://hf.co/o/n/resolve/main/Q4/{GGUF}?download=true", "o/n", "main", f"Q4/{GGUF}", None),
        ("https://huggingface.co/o/n/raw/refs%2Fpr%2F1/a%20b.bin#L3", "o/n", "refs/pr/1", "a b.bin", None),
        ("https://huggingface.co/o/n/tree/v1.0", "o/n", "v1.0", None, None),
        ("https://huggingface.co/o/n/tree/main/UD-Q2_K_XL", "o/n", "main", None, "UD-Q2_K_XL"),
        ("https://huggingface.co/o/n/discussions/3", "o/n", None, None, None),
        ("https://huggingface.co/api/models/o/n", "o/n", None, None, None),
        (f"https://modelscope.cn/models/o/n/resolve/master/{GGUF}", "o/n", "master", GGUF, None),
        ("git@hf.co:Qwen/Qwen3-8B", "Qwen/Qwen3-8B", None, None, None),
        ("hf://o/n@main/model.safetensors", "o/n", "main", "model.safetensors", None),
        (f"huggingface://o/n/{GGUF}", "o/n", None, GGUF, None),
        # tags and revisions
        ("hf.co/o/n:Q4_K_M", "o/n", None, None, "Q4_K_M"),
        ("`hf.co/o/n:Q4_K_M`", "o/n", None, None, "Q4_K_M"),
        ("'o/n:UD-Q4_K_XL'", "o/n", None, None, "UD-Q4_K_XL"),
        ("o/n:novita", "o/n", None, None, "novita"),
        ("o/n@0e9e39f", "o/n", "0e9e39f", None, None),
        ("qwen/qwen3-8b@q4_k_m", "qwen/qwen3-8b", None, None, "q4_k_m"),
        ("o/n/blob/main/model.safetensors", "o/n", "main", "model.safetensors", None),
        ("o/n::mmproj-F16.gguf", "o/n", None, "mmproj-F16.gguf", None),
        # package URLs
        ("pkg:huggingface/o/n@main", "o/n", "main", None, None),
        (f"pkg:huggingface/bert-base-uncased@{SHA}", "bert-base-uncased", SHA, None, None),
        (f"pkg:huggingface/o/n@{SHA}?repository_url=https://hub.example#a.bin", "o/n", SHA, "a.bin", None),
        # folders
        ("models--google--gemma-3-4b-it", "google/gemma-3-4b-it", None, None, None),
        ("models--bert-base-uncased", "bert-base-uncased", None, None, None),
        (f"~/.cache/huggingface/hub/models--o--n/snapshots/{SHA}/onnx/model.onnx", "o/n", SHA, "onnx/model.onnx", None),
        (rf"C:\hub\models--o--n\snapshots\{SHA}\onnx\model.onnx", "o/n", SHA, "onnx/model.onnx", None),
        (f"/home/u/.lmstudio/models/o/n/{GGUF}", "o/n", None, GGUF, None),
        (rf"C:\Users\u\.cache\lm-studio\models\o\n\{GGUF}", "o/n", None, GGUF, None),
        # commands and code
        ("ollama run hf.co/o/n:Q4_K_M", "o/n", None, None, "Q4_K_M"),
        ("$ ollama pull mannix/llama3.1-8b:q4_0", "mannix/llama3.1-8b", None, None, "q4_0"),
        ("ollama run --verbose llama4:17b-scout-16e", "llama4:17b-scout-16e", None, None, None),
        ("https://ollama.com/library/llama4:17b-scout-16e", "llama4:17b-scout-16e", None, None, None),
        ("llama-server -hf o/n", "o/n", None, None, None),
        ("llama-cli -hf o/n:Q8_0 -ngl 99", "o/n", None, None, "Q8_0"),
        (f"llama-cli --hf-repo o/n --hf-file {GGUF}", "o/n", None, GGUF, None),
        (f"hf download o/n {GGUF} --revision abc", "o/n", "abc", GGUF, None),
        ("huggingface-cli download o/n --include '*Q4*'", "o/n", None, None, None),
        ("lms get https://huggingface.co/o/n@q4_k_m", "o/n", None, None, "q4_k_m"),
        (f"lmstudio://open_from_hf?model=o/n&file={GGUF}", "o/n", None, GGUF, None),
        ("vllm serve o/n --max-model-len 8192", "o/n", None, None, None),
        ("python -m vllm.entrypoints.openai.api_server --model o/n", "o/n", None, None, None),
        ("mlx_lm.generate --model o/n --prompt hi", "o/n", None, None, None),
        ("docker model run hf.co/o/n:Q4_K_M", "o/n", None, None, "Q4_K_M"),
        ("git clone https://huggingface.co/o/n", "o/n", None, None, None),
        ('AutoModel.from_pretrained("o/n")', "o/n", None, None, None),
        ('pipeline("text-generation", model="o/n")', "o/n", None, None, None),
    ],
)
def test_a_reference_names_repo_revision_and_file(
    text: str, repo: str, revision: str | None, file: str | None, tag: str | None
) -> None:
    found = find_reference(text)
    assert found is not None
    assert (found.repo_id, found.revision, found.file, found.tag) == (repo, revision, file, tag)


@pytest.mark.parametrize(
    "text",
    [
        "google/gemma-3-4b-it",
        "BF16/model-00001-of-00002.gguf",
        "owner/folder/file.gguf",
        "llama4:17b-scout-16e",
        "mlx-community--Qwen3-8B-4bit",
        "https://huggingface.co/datasets/squad",
        "https://huggingface.co/spaces/o/n",
        "https://nothf.co/o/n",
        "hf://datasets/o/n/a.parquet",
        "a sentence with words",
    ],
)
def test_names_paths_and_other_addresses_are_no_references(text: str) -> None:
    assert find_reference(text) is None


@pytest.mark.parametrize(
    ("text", "repo", "selector"),
    [
        (" o/n ", "o/n", ""),
        ("o/n/", "o/n", ""),
        ("o/n::Q4_K_M", "o/n", "Q4_K_M"),
        ("gpt2::a b.gguf", "gpt2", "a b.gguf"),
        ("hf.co/o/n:Q4_K_M", "o/n", "Q4_K_M"),
        ("ollama run hf.co/o/n:latest", "o/n", ""),
        (f"https://huggingface.co/o/n/blob/main/{GGUF}", "o/n", GGUF),
        ("https://huggingface.co/o/n/tree/main/UD-Q2_K_XL", "o/n", "UD-Q2_K_XL"),
        (f"pkg:huggingface/o/n@{SHA}", "o/n", ""),
        ("no reference: at all", "no reference: at all", ""),
    ],
)
def test_what_a_text_selects_of_which_repo(text: str, repo: str, selector: str) -> None:
    assert parse_selection(text) == (repo, selector)
    assert find_repo_id(text.partition("::")[0]) == repo


def test_labels_of_a_reference_come_from_name_file_and_tag() -> None:
    found = parse_name("hf.co/mradermacher/YanoljaNEXT-Rosetta-12B-2510-i1-GGUF:Q4_K_M")
    assert (found.kind, found.owner, found.name) == ("repo", "mradermacher", "YanoljaNEXT-Rosetta-12B-2510-i1-GGUF")
    assert (found.parameters, found.release, found.format) == (12_000_000_000, "2510", "gguf")
    assert (found.quant, found.bits, found.imatrix) == ("Q4_K_M", 4, True)
    found = parse_name("https://huggingface.co/unsloth/Qwen3-30B-A3B-GGUF/resolve/main/UD-Q4_K_XL/part-1.gguf")
    assert (found.kind, found.revision, found.file) == ("file", "main", "UD-Q4_K_XL/part-1.gguf")
    assert (found.family, found.active_parameters, found.quant) == ("qwen", 3_000_000_000, "Q4_K_XL")


def test_a_tag_that_is_no_scheme_changes_no_label() -> None:
    plain, tagged = parse_name("Qwen/Qwen3-8B-FP8"), parse_name("Qwen/Qwen3-8B-FP8:groq")
    assert (
        (plain.quant, plain.size, plain.family) == (tagged.quant, tagged.size, tagged.family) == ("FP8", "8B", "qwen")
    )
    assert (tagged.owner, tagged.name) == ("Qwen", "Qwen3-8B-FP8")


def test_ollamas_own_names_state_size_and_tuning_in_their_tag() -> None:
    found = parse_name("ollama run llama4:17b-scout-16e-instruct-q4_K_M")
    assert (found.family, found.version, found.parameters) == ("llama", "4", None)
    assert (found.active_parameters, found.experts) == (17_000_000_000, 16)
    assert (found.tuning, found.quant) == (("instruct",), "Q4_K_M")


def test_tokens_of_a_reference_have_their_places_in_the_text() -> None:
    text = "ollama run hf.co/unsloth/Qwen3-14B-GGUF:Q4_K_M"
    tokens = parse_name(text).tokens
    assert all(text[token.start : token.end] == token.text for token in tokens)
    assert [token.text for token in tokens if token.label == "noise"] == ["ollama", "run", "hf", "co"]
    assert next(token.text for token in tokens if token.label == "owner") == "unsloth"
    text = "hf download o/n a%20Q4_K_M.gguf --revision v1.0"
    assert next(token for token in parse_name(text).tokens if token.label == "revision").value == "v1.0"
