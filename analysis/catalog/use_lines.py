"""The commands that run a model or fetch its files, by program: only those whose program loads the format.

Syntax: the Hub's "Use this model" (huggingface.js, packages/tasks/src/local-apps.ts), and the programs' own pages:
docs.ollama.com, lmstudio.ai/docs/cli, docs.vllm.ai, github.com/ml-explore/mlx-lm.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from analysis.catalog.fit_candidates import parse_paths
from analysis.formats.formats import find_format
from analysis.query.reader import CatalogReader

LABELLED = (
    "F32", "F16", "Q4_0", "Q4_1", "Q4_1_SOME_F16", "Q4_2", "Q4_3", "Q8_0", "Q5_0", "Q5_1", "Q2_K", "Q3_K_S", "Q3_K_M",
    "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "IQ2_XXS", "IQ2_XS", "Q2_K_S", "IQ3_XS", "IQ3_XXS",
    "IQ1_S", "IQ4_NL", "IQ3_S", "IQ3_M", "IQ2_S", "IQ2_M", "IQ4_XS", "IQ1_M", "BF16", "Q4_0_4_4", "Q4_0_4_8",
    "Q4_0_8_8", "TQ1_0", "TQ2_0", "MXFP4_MOE", "NVFP4", "Q1_0", "Q2_0", "Q2_K_XL", "Q3_K_XL", "Q4_K_XL", "Q5_K_XL",
    "Q6_K_XL", "Q8_K_XL",
)  # fmt: skip
"""Schemes by which the Hub finds a GGUF file for `:QUANT`, in the order in which it looks for them in a name
(huggingface.js, packages/tasks/src/gguf.ts, GGMLFileQuantizationType)."""

QUANT_LABEL = re.compile(f"(?:UD-)?(?:{'|'.join(LABELLED)})(?:_[A-Z]+)?")

VLLM_METHODS = frozenset({
    None, "awq", "gptq", "fp8", "compressed-tensors", "bitsandbytes", "marlin", "aqlm", "mxfp4", "modelopt", "nvfp4",
})  # fmt: skip
CHAT_TASKS = frozenset({"text-generation", "image-text-to-text", "any-to-any", None})


@dataclass(frozen=True, slots=True)
class Loadable:
    """What is to be run: a repo, and the files that are loaded of it (none where they are unknown)."""

    repo_id: str
    format: str | None
    paths: Sequence[str] = ()
    quant: str | None = None
    quant_method: str | None = None
    base_model: str | None = None
    task: str | None = None
    sha: str | None = None
    is_whole_repo: bool = False  # its weights are the repo's only ones, so that the repo's id is enough
    gpu_layers: int | None = None


LOADABLE = """
select r.repo_id, r.sha, r.pipeline_tag, l.base_model, a.artifact, a.paths, a.format, a.quant, a.quant_method,
    l.format as repo_format, l.quant as repo_quant, l.quant_method as repo_quant_method,
    (select count(*) from artifacts o where o.repo = r.id and o.role = 'weights') as weights
from repos r join repo_labels l on l.repo = r.id left join artifacts a on a.repo = r.id and a.artifact = :artifact
where r.type = 'model' and r.repo_id = :id
order by case r.status when 'gone' then 1 else 0 end, r.id desc
limit 1
"""
"""Of a repo, and of its successor where a vanished one's id was taken again."""


def load_use_lines(
    reader: CatalogReader, repo_id: str, artifact: str | None, gpu_layers: int | None = None
) -> dict[str, str]:
    """The commands for one artifact of the catalog, or for a repo whose files are unknown (`artifact` None)."""
    rows = reader.all(LOADABLE, {"id": repo_id, "artifact": artifact or ""})
    if not rows:
        return {}
    (row,) = rows
    own = row["artifact"] is not None
    return use_lines(
        Loadable(
            repo_id=row["repo_id"],
            format=row["format"] if own else row["repo_format"],
            paths=parse_paths(row["paths"]) or ([row["artifact"]] if own else []),
            quant=row["quant"] if own else row["repo_quant"],
            quant_method=row["quant_method"] if own else row["repo_quant_method"],
            base_model=row["base_model"],
            task=row["pipeline_tag"],
            sha=row["sha"],
            is_whole_repo=row["weights"] == 1,
            gpu_layers=gpu_layers,
        )
    )


def use_lines(model: Loadable) -> dict[str, str]:
    """Program -> command, the simplest first; every argument is quoted for a POSIX shell where it needs to be."""
    builders = {"gguf": gguf_lines, "mlx": mlx_lines, "safetensors": safetensors_lines}
    builder = builders.get((model.format or "").lower())
    lines = builder(model) if builder else {}
    return {**lines, "hf download": download_line(model)}


def gguf_lines(model: Loadable) -> dict[str, str]:
    """Ollama refuses files in shards (the Hub's registry answers 400), so there is no line for it then."""
    tag = quant_tag(model)
    remote = model.repo_id + (f":{tag}" if tag else "")
    server = ["llama-server", "-hf", remote]
    if tag is None and model.paths:
        server += ["--hf-file", model.paths[0]]
    if model.gpu_layers is not None:
        server += ["-ngl", str(model.gpu_layers)]
    lines = {}
    if len(model.paths) == 1:
        name = tag or PurePosixPath(model.paths[0]).name
        lines["Ollama"] = shell("ollama", "run", f"hf.co/{model.repo_id}:{name}")
    lines["llama.cpp"] = shell(*server)
    lines["LM Studio"] = shell("lms", "get", f"https://huggingface.co/{model.repo_id}" + (f"@{tag}" if tag else ""))
    if len(model.paths) == 1 and model.base_model and tag:
        lines["vLLM"] = shell("vllm", "serve", remote, "--tokenizer", model.base_model)
    return lines


def mlx_lines(model: Loadable) -> dict[str, str]:
    return {
        "MLX": shell("mlx_lm.chat", "--model", model.repo_id),
        "LM Studio": shell("lms", "get", f"https://huggingface.co/{model.repo_id}"),
    }


def safetensors_lines(model: Loadable) -> dict[str, str]:
    lines = {}
    if model.task in CHAT_TASKS and model.quant_method in VLLM_METHODS:
        lines["vLLM"] = shell("vllm", "serve", model.repo_id)
    revision = f", revision={json.dumps(model.sha)}" if model.sha else ""
    call = f"from transformers import AutoModel; AutoModel.from_pretrained({json.dumps(model.repo_id)}{revision})"
    if model.task in CHAT_TASKS:
        call = call.replace("AutoModel", "AutoModelForCausalLM")
    if model.task == "image-text-to-text":
        call = call.replace("AutoModelForCausalLM", "AutoModelForImageTextToText")
    lines["transformers"] = shell("python", "-c", call)
    return lines


def download_line(model: Loadable) -> str:
    """`hf download` of the files that are loaded; of the whole repo where it has no other weights."""
    words = ["hf", "download", model.repo_id]
    if model.paths and not (model.is_whole_repo or needs_whole_repo(model.format)):
        folder = str(PurePosixPath(model.paths[0]).parent)
        is_folder = len(model.paths) > 3 and folder != "."
        words += ["--include", f"{folder}/*"] if is_folder else model.paths
    return shell(*words)


def needs_whole_repo(format_: str | None) -> bool:
    """Whether programs load the weights with configuration files beside them: all but GGUF, which holds everything."""
    return not find_format(format_).holds_quants


def quant_tag(model: Loadable) -> str | None:
    """The `:QUANT` by which the Hub finds the file; None where it would find another scheme or none in the name."""
    if not model.paths:
        return model.quant
    found = QUANT_LABEL.findall(PurePosixPath(model.paths[0]).name.upper())
    return found[-1] if found and found[-1].removeprefix("UD-") == model.quant else None


def shell(*words: str) -> str:
    """The words as one command line of a POSIX shell; ids and paths are untrusted."""
    return shlex.join(words)


def lines_text(lines: Mapping[str, str], width: int | None = None) -> list[str]:
    """The commands as aligned lines of text; one wider than `width` continues on the next line, as shells read it."""
    names = max(map(len, lines), default=0)
    text: list[str] = []
    for name, command in lines.items():
        line = f"{name.ljust(names)}  {command}"
        before, _, rest = command.rpartition(" --")
        if width is not None and len(line) > width and before:
            text += [f"{name.ljust(names)}  {before} \\", f"{' ' * names}    --{rest}"]
        elif width is not None and len(line) > width and " " in command:
            *words, last = command.split(" ")
            text += [f"{name.ljust(names)}  {' '.join(words)} \\", f"{' ' * names}    {last}"]
        else:
            text.append(line)
    return text
