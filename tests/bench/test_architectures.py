"""The check for architectures without a rule: what it reads from classes, and what it calls unknown."""

from __future__ import annotations

from pathlib import Path

from bench.architectures import find_unknown_experts, find_unknown_mixtures, read_classes

CLASSES = """
class OfTomorrowConfig(PreTrainedConfig):
    model_type = "of_tomorrow"
    num_experts: int | None = None
    experts_called: int = 2

class UsualConfig(PreTrainedConfig):
    model_type = "usual"

    def __init__(self, vocab_size=100, n_routed_experts=64, num_experts_per_tok=None, **others):
        pass

class DenseConfig(PreTrainedConfig):
    model_type: str = "dense"
    hidden_size = 64
    derived = hidden_size * 2

class Helper:
    num_experts = 4
"""


def test_classes_whose_experts_are_not_understood(tmp_path: Path) -> None:
    file = tmp_path / "models" / "some" / "configuration_some.py"
    file.parent.mkdir(parents=True)
    file.write_text(CLASSES, encoding="utf-8")
    classes = list(read_classes(tmp_path))
    assert [fields["model_type"] for fields in classes] == ["of_tomorrow", "usual", "dense"]
    assert classes[1]["n_routed_experts"] == 64 and classes[2]["derived"] is None
    assert find_unknown_experts(classes) == ["of_tomorrow"]


def test_every_mixture_of_llama_cpp_is_known() -> None:
    assert find_unknown_mixtures() == []
