"""The commands that run a model, by its format."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.catalog.use_lines import Loadable, lines_text, quant_tag, use_lines

GGUF = Loadable("owner/model-GGUF", "gguf", ("model-Q4_K_M.gguf",), quant="Q4_K_M", base_model="owner/model")


def test_gguf_is_named_by_its_scheme() -> None:
    assert use_lines(GGUF) == {
        "Ollama": "ollama run hf.co/owner/model-GGUF:Q4_K_M",
        "llama.cpp": "llama-server -hf owner/model-GGUF:Q4_K_M",
        "LM Studio": "lms get https://huggingface.co/owner/model-GGUF@Q4_K_M",
        "vLLM": "vllm serve owner/model-GGUF:Q4_K_M --tokenizer owner/model",
        "hf download": "hf download owner/model-GGUF model-Q4_K_M.gguf",
    }


@pytest.mark.parametrize(
    ("path", "quant", "tag"),
    [
        ("model-Q4_K_M.gguf", "Q4_K_M", "Q4_K_M"),
        ("q4/model.q4_k_m.gguf", "Q4_K_M", "Q4_K_M"),
        ("model-UD-Q4_K_XL.gguf", "Q4_K_XL", "UD-Q4_K_XL"),
        ("F16-model-IQ3_XXS.gguf", "IQ3_XXS", "IQ3_XXS"),
        ("model-Q4_K_L.gguf", "Q4_K_L", None),
        ("BF16_Q5_1.gguf", "Q5_1", None),
        ("model.gguf", "Q4_K_M", None),
        ("model-Q8_0.gguf", "MXFP4", None),
    ],
)
def test_a_tag_is_given_only_where_the_hub_finds_this_file_by_it(path: str, quant: str, tag: str | None) -> None:
    assert quant_tag(replace(GGUF, paths=(path,), quant=quant)) == tag


def test_a_file_without_a_tag_is_named() -> None:
    lines = use_lines(replace(GGUF, paths=("q/model-Q4_K_L.gguf",), quant="Q4_K_L"))
    assert lines["Ollama"] == "ollama run hf.co/owner/model-GGUF:model-Q4_K_L.gguf"
    assert lines["llama.cpp"] == "llama-server -hf owner/model-GGUF --hf-file q/model-Q4_K_L.gguf"
    assert "vLLM" not in lines


def test_ollama_has_no_line_for_shards() -> None:
    shards = ("Q8_0/model-Q8_0-00001-of-00002.gguf", "Q8_0/model-Q8_0-00002-of-00002.gguf")
    lines = use_lines(replace(GGUF, paths=shards, quant="Q8_0"))
    assert "Ollama" not in lines and lines["llama.cpp"].endswith(":Q8_0")
    assert lines["hf download"] == f"hf download owner/model-GGUF {shards[0]} {shards[1]}"
    many = tuple(f"Q8_0/model-Q8_0-0000{number}-of-00005.gguf" for number in range(1, 6))
    found = use_lines(replace(GGUF, paths=many, quant="Q8_0"))
    assert found["hf download"] == "hf download owner/model-GGUF --include 'Q8_0/*'"


def test_layers_that_the_card_holds() -> None:
    assert use_lines(replace(GGUF, gpu_layers=20))["llama.cpp"].endswith(" -ngl 20")


def test_mlx_and_safetensors() -> None:
    assert use_lines(Loadable("mlx-community/m", "mlx"))["MLX"] == "mlx_lm.chat --model mlx-community/m"
    plain = Loadable("owner/model", "safetensors", ("model.safetensors",), task="text-generation", sha="a" * 40)
    lines = use_lines(plain)
    assert lines["vLLM"] == "vllm serve owner/model" and lines["hf download"] == "hf download owner/model"
    call = f'AutoModelForCausalLM.from_pretrained("owner/model", revision="{"a" * 40}")'
    assert lines["transformers"] == f"python -c 'from transformers import AutoModelForCausalLM; {call}'"
    assert "vLLM" not in use_lines(replace(plain, quant_method="hqq"))
    assert "vLLM" not in use_lines(replace(plain, task="fill-mask"))


def test_untrusted_names_are_quoted() -> None:
    lines = use_lines(replace(GGUF, paths=("a; rm -rf $HOME.gguf",), quant=None))
    assert all("'" in line for name, line in lines.items() if "rm -rf" in line)
    assert lines["hf download"] == "hf download owner/model-GGUF 'a; rm -rf $HOME.gguf'"


def test_an_unknown_format_is_only_downloaded() -> None:
    assert use_lines(Loadable("owner/model", "nemo", ("m.nemo",))) == {"hf download": "hf download owner/model"}


def test_a_command_that_is_too_wide_continues_on_the_next_line() -> None:
    lines = {"vLLM": "vllm serve owner/name:Q4_0 --tokenizer owner/base", "LM Studio": "lms get https://hub/name@Q4_0"}
    assert lines_text(lines) == [
        "vLLM       vllm serve owner/name:Q4_0 --tokenizer owner/base",
        "LM Studio  lms get https://hub/name@Q4_0",
    ]
    assert lines_text(lines, 38) == [
        "vLLM       vllm serve owner/name:Q4_0 \\",
        "             --tokenizer owner/base",
        "LM Studio  lms get \\",
        "             https://hub/name@Q4_0",
    ]
