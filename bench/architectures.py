"""Architectures of current runtimes for which no rule is known: which would be labelled or estimated wrongly.

    python -m bench.architectures TRANSFORMERS

TRANSFORMERS is the folder of an installed or checked-out `transformers` package (the one that holds `models`); its
configuration classes are read as text and never imported. llama.cpp's architectures are those of the installed `gguf`.

Lists, with the number of what was looked at:
  - model types with experts whose counts `read_experts` can't tell from the class's own field names and defaults, so
    that their active parameters would be unknown;
  - model types that analysis/formats/architectures.toml does not know;
  - mixtures of llama.cpp that neither `moe` in their name nor `mixtures` in architectures.toml tells.

Last figures (transformers 5.24.0, gguf 0.19.0): none unknown of 79 classes with experts, of 822 model types and of 126
architectures of llama.cpp.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gguf.constants import MODEL_ARCH_NAMES, MODEL_TENSOR, MODEL_TENSORS

from analysis.catalog.fit_candidates import is_mixture
from analysis.formats.architectures import load_architectures
from analysis.formats.model_config import read_experts

MIXTURES_OR_DENSE = frozenset(
    {"deci", "gemma4", "granitehybrid", "llama", "llama-embed", "minicpm", "mistral3"},
)
"""Architectures of llama.cpp with and without experts: the file's own count decides."""
COUNTS_EXPERTS = re.compile(r"experts|topk|top_k")
"""Fields of configuration classes that count experts."""


def read_classes(folder: Path) -> Iterator[dict[str, Any]]:
    """The fields and defaults of each configuration class that has a `model_type`; fields without a constant: None."""
    for file in sorted(folder.glob("models/*/configuration_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                fields = dict(read_fields(node))
                if isinstance(fields.get("model_type"), str):
                    yield fields


def read_fields(node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    """Class attributes, and the arguments of `__init__` where a class has one."""
    for item in node.body:
        if isinstance(item, ast.Assign | ast.AnnAssign):
            targets = item.targets if isinstance(item, ast.Assign) else [item.target]
            yield from ((target.id, constant(item.value)) for target in targets if isinstance(target, ast.Name))
        elif isinstance(item, ast.FunctionDef) and item.name == "__init__":
            arguments = item.args.args[-len(item.args.defaults) :] if item.args.defaults else []
            yield from ((each.arg, constant(value)) for each, value in zip(arguments, item.args.defaults, strict=True))


def constant(node: ast.expr | None) -> Any:
    """The value of a literal; None for anything else."""
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None


def has_experts(fields: dict[str, Any]) -> bool:
    """Whether a class has a field that counts experts."""
    return any("experts" in name and ("num" in name or name.startswith("n_")) for name in fields)


def fill_count(name: str, value: Any) -> Any:
    """A count of experts as a published configuration states it, where the class has none or one by default."""
    return 4 if value in (None, 1) and COUNTS_EXPERTS.search(name) else value


def find_unknown_experts(classes: list[dict[str, Any]]) -> list[str]:
    """Model types with experts of which the number, or how many a token is sent to, is not understood."""
    unknown = []
    for fields in classes:
        if has_experts(fields):
            found = read_experts({key: fill_count(key, value) for key, value in fields.items()})
            if not found.get("count") or not found.get("used"):
                unknown.append(fields["model_type"])
    return sorted(set(unknown))


def find_unknown_mixtures() -> list[str]:
    """llama.cpp's architectures with tensors of experts that `fits` would take for dense models."""
    mixtures = [MODEL_ARCH_NAMES[arch] for arch, held in MODEL_TENSORS.items() if MODEL_TENSOR.FFN_GATE_INP in held]
    return sorted(name for name in mixtures if name not in MIXTURES_OR_DENSE and not is_mixture(name, None, None, None))


def main() -> None:
    parser = argparse.ArgumentParser(description="Architectures of current runtimes for which no rule is known.")
    parser.add_argument("transformers", type=Path)
    classes = list(read_classes(parser.parse_args().transformers))
    types = {fields["model_type"] for fields in classes}
    mixtures = [fields for fields in classes if has_experts(fields)]
    for title, looked_at, unknown in (
        ("model types with experts of unknown number", len(mixtures), find_unknown_experts(classes)),
        ("model types without a rule", len(types), sorted(types - load_architectures().keys())),
        ("mixtures of llama.cpp taken for dense", len(MODEL_ARCH_NAMES), find_unknown_mixtures()),
    ):
        print(f"{title}: {len(unknown)} of {looked_at}")
        print("".join(f"  {name}\n" for name in unknown), end="")


if __name__ == "__main__":
    main()
