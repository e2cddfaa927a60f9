"""The Header of a container whose tensors are described one by one: counts, types and scheme."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from analysis.errors import NoTensors
from analysis.formats import model_config as configs
from analysis.formats.config_geometry import read_config_geometry
from analysis.formats.facts import clean_text, drop_missing
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArtifactRecord, Header

SCHEME_BY_TYPE: Mapping[str, str] = {
    "F64": "F64", "F32": "F32", "F16": "F16", "BF16": "BF16", "I8": "INT8", "U8": "UINT8", "I4": "INT4", "U4": "INT4",
    "I2": "INT2", "U2": "INT2", "U3": "INT3", "U6": "INT6", "F4": "FP4", "F8_E4M3": "FP8", "F8_E5M2": "FP8",
    "F8_E4M3FNUZ": "FP8", "F8_E5M2FNUZ": "FP8",
}  # fmt: skip
"""Types that weights have -> their scheme. Wider whole numbers are shapes, positions and counters."""

FULL_PRECISION = frozenset({"F64", "F32", "F16", "BF16"})


class Stored(NamedTuple):
    """A tensor as it is stored; `weights_per_element` is above 1 where an element packs several."""

    name: str
    type: str
    elements: int
    bytes: int
    weights_per_element: float = 1
    is_weight: bool = True

    @property
    def weights(self) -> int:
        """Weights that it stands for; 0 for scales, shapes and positions."""
        return round(self.elements * self.weights_per_element) if self.is_weight and self.type in SCHEME_BY_TYPE else 0

    @property
    def scheme(self) -> str:
        if self.weights_per_element > 1:
            return f"INT{round(8 / self.weights_per_element)}"
        return SCHEME_BY_TYPE[self.type]


def build_container_header(
    format_: str,
    artifact: ArtifactRecord,
    tensors: Sequence[Stored],
    config: Json,
    sizes: Mapping[str, int | None],
    source: ByteSource,
    facts: Json,
) -> Header:
    """The Header from a container's tensors and the repo's configuration. Raises NoTensors."""
    if not tensors:
        raise NoTensors(source.name, 0, f"tensors in this {format_} file", "none")
    schemes: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for each in tensors:
        types[each.type] += each.elements
        if each.weights:
            schemes[each.scheme] += each.weights
    parameters = sum(schemes.values())
    scheme = find_scheme(schemes)
    data = sum(each.bytes for each in tensors if each.type in SCHEME_BY_TYPE)
    return Header(
        format=format_,
        version=None,
        architecture=configs.read_architecture(config),
        parameters=parameters,
        active_parameters=None if configs.read_experts(config) else parameters,
        tensor_count=len(tensors),
        types=dict(types.most_common()),
        quant=scheme,
        quant_method=None if scheme is None or scheme in FULL_PRECISION else format_,
        quant_share=schemes[scheme] / parameters if scheme else None,
        bits_per_weight=8 * data / parameters if parameters else None,
        context=configs.read_context(config),
        size=total_size(artifact, sizes),
        size_verified=None,
        content=artifact.content,
        requests=source.requests,
        bytes_read=source.bytes_read,
        facts=drop_missing({
            "role": artifact.role, "class": configs.read_class(config), "geometry": read_config_geometry(config),
            "experts": configs.read_experts(config),
            **{key: clean_text(value) if isinstance(value, str) else value for key, value in facts.items()},
        }),
    )  # fmt: skip


def total_size(artifact: ArtifactRecord, sizes: Mapping[str, int | None]) -> int | None:
    """Bytes of an artifact's files; None where one is unknown."""
    known = [sizes.get(path) for path in artifact.paths]
    return sum(size or 0 for size in known) if None not in known else None


def find_scheme(schemes: Counter[str]) -> str | None:
    """The packed scheme that holds most weights if it holds a quarter of all, else the one that holds most."""
    total = sum(schemes.values())
    packed = {name: held for name, held in schemes.items() if name not in FULL_PRECISION}
    most = max(packed, key=lambda name: packed[name], default=None)
    if most is not None and packed[most] >= total / 4:
        return most
    return schemes.most_common(1)[0][0] if total else None
