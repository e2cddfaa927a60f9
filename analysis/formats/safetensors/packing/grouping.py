"""The modules of a header: those whose names and tensors differ in numbers only are one kind, and measured once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.errors import HeaderBeyondLimits
from analysis.formats import limits
from analysis.formats.safetensors.packing.names import ModuleNames, NameTable, TensorNames
from analysis.formats.safetensors.tensors import Tensor


@dataclass(slots=True, eq=False)
class ModuleKind:
    """Modules with the same tensors: those of `before`, then one more. Compared by identity."""

    names: ModuleNames
    before: ModuleKind | None = None
    leaf: str = ""
    tensor: Tensor | None = None
    after: dict[tuple[str, Tensor], ModuleKind] = field(default_factory=dict)
    """The kinds with one more tensor, by what its name adds and what it is."""

    @property
    def leaves(self) -> dict[str, Tensor]:
        """The tensors by what their names add to the module's, in the order of the file."""
        found: list[tuple[str, Tensor]] = []
        kind: ModuleKind | None = self
        while kind is not None and kind.tensor is not None:
            found.append((kind.leaf, kind.tensor))
            kind = kind.before
        return dict(reversed(found))


@dataclass(slots=True)
class GroupedTensors:
    """The tensors of a model, by module."""

    tensors: int = 0
    """How many there are."""
    modules: dict[str, ModuleKind] = field(default_factory=dict)
    tables: list[tuple[TensorNames, Tensor]] = field(default_factory=list)
    """Those that may be embeddings of a vocabulary or an output layer."""
    lora: Counter[Tensor] = field(default_factory=Counter)
    """Those of low-rank adapters, and how many there are of each."""


def group_by_module(tensors: Mapping[str, Tensor], artifact: str = "tensors") -> GroupedTensors:
    """The modules of these tensors, each with its kind. Raises HeaderBeyondLimits, with the artifact's name."""
    found = GroupedTensors(len(tensors))
    modules = found.modules
    first: dict[ModuleNames, ModuleKind] = {}
    lora: list[Tensor] = []
    kinds, most = 0, limits.find_most_kinds(len(tensors))
    for name, names, tensor in zip(tensors, NameTable().look_up(tensors), tensors.values(), strict=True):
        if names.cut:
            module, leaf = name[: -names.cut], names.leaf
        else:
            module, leaf = names.split(name)
        before = modules.get(module) or first.get(names.module)
        if before is None:
            before = first[names.module] = ModuleKind(names.module)
        kind = before.after.get((leaf, tensor))
        if kind is None:
            kinds += 1
            if kinds > most:
                expected = f"at most {most:,} different modules of {len(tensors):,} tensors"
                raise HeaderBeyondLimits(artifact, 0, expected, "more")
            kind = before.after[leaf, tensor] = ModuleKind(names.module, before, leaf, tensor)
        modules[module] = kind
        if names.is_noted:
            if names.lora:
                lora.append(tensor)
            if names.is_table:
                found.tables.append((names, tensor))
                if len(found.tables) > limits.MAX_TABLES:
                    raise HeaderBeyondLimits(artifact, 0, f"at most {limits.MAX_TABLES:,} embeddings", "more")
    found.lora.update(lora)
    return found
