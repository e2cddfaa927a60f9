"""How far estimated memory is from what runtimes reported.

    python -m bench.memory LOGS.jsonl[.gz] [--peaks RUNS.jsonl[.gz]]

LOGS: a JSON object on a line, what llama.cpp printed: `meta` (a GGUF header's keys), `context`, `kv_type`, `seqs`, and
in MiB `kv_mib`, `rs_mib`, `compute_mib`, `host_compute_mib`, `model_mib` (None: not printed). Cache, compute buffer and
the whole need are compared with estimates from the header's geometry. RUNS: rows as llmfit publishes them, with
`peak_gb` of a card; compared with estimates without a header, from the name's parameters and scheme alone. Rows of
several cards, drafts, offloaded layers, and peaks that fill the card are left out.

Figures of 2026-11-28 are in docs/memory.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from analysis.fit.cards import find_card
from analysis.fit.geometry import KV_TYPES, Geometry, parse_geometry
from analysis.fit.memory import compute_buffer_bytes, estimate_memory, input_bytes, weight_bytes
from analysis.formats.gguf.facts import GEOMETRY_KEYS
from analysis.names.parse import parse_name
from analysis.schemes.schemes import find_scheme_by_alias
from analysis.text import markdown_table
from analysis.units import MIB

FULL_CARD = 0.95  # a peak above this share of a card's memory says what the card holds, not what the model needs


@dataclass(frozen=True, slots=True)
class Compared:
    """A reported and an estimated size, bytes."""

    what: str
    name: str
    context: int
    reported: float
    estimated: float

    @property
    def off(self) -> float:
        return self.estimated / self.reported - 1


def read_rows(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def compare_logs(rows: Iterable[dict[str, Any]]) -> Iterator[Compared]:
    for row in rows:
        architecture = row["meta"]["general.architecture"]
        facts = {
            name: row["meta"][f"{architecture}.{key}"]
            for name, key in GEOMETRY_KEYS.items()
            if f"{architecture}.{key}" in row["meta"]
        }
        shape = parse_geometry(facts, architecture)
        if shape is None:
            print(f"no geometry: {row['name']}")
            continue
        context, sequences = row["context"] // row["seqs"], row["seqs"]
        model = (row["model_mib"] or 0) * MIB
        flash = guess_flash_attention(row, shape, context)
        need = estimate_memory(
            round(model), shape, context=context, kv_type=row["kv_type"], flash_attention=flash, sequences=sequences
        )
        cache = (row["kv_mib"] + row["rs_mib"]) * MIB
        yield Compared("cache", row["name"], row["context"], cache, need.cache)
        if row["compute_mib"]:
            device = device_buffer(shape, context, flash_attention=flash)
            yield Compared("compute buffer", row["name"], row["context"], row["compute_mib"] * MIB, device)
        if row["compute_mib"] and row["host_compute_mib"] and model:
            whole = model + cache + (row["compute_mib"] + row["host_compute_mib"]) * MIB
            yield Compared("whole need", row["name"], row["context"], whole, need.total)


def device_buffer(shape: Geometry, context: int, *, flash_attention: bool) -> int:
    return compute_buffer_bytes(shape, context, flash_attention=flash_attention) - input_bytes(shape, context)


def guess_flash_attention(row: dict[str, Any], shape: Geometry, context: int) -> bool:
    """Whether the log says so; where it does not (older versions had it off), what its compute buffer is nearer to."""
    if row["flash"] is not None or not row["compute_mib"]:
        return row["flash"] is not False
    off = {flash: abs(device_buffer(shape, context, flash_attention=flash) - row["compute_mib"] * MIB)
           for flash in (True, False)}  # fmt: skip
    return bool(off[True] <= off[False])


def compare_peaks(rows: Iterable[dict[str, Any]]) -> Iterator[Compared]:
    seen = set()
    for row in rows:
        peak, card = row["peak_gb"], find_card(row["gpu"] or row["chip"] or "")
        labels = parse_name(row["id"])
        scheme = find_scheme_by_alias((row["quant"] or "").removeprefix("UD-"))
        kv_type = "f16" if row["kv"] in (None, "auto", "fp16") else row["kv"]
        usable = row["engine"] in ("llama.cpp", "ollama", "lmstudio") and row["gpus"] == 1 and not row["spec"]
        if not usable or row["offload"] or not peak or peak < 0.1 or kv_type not in KV_TYPES:
            continue
        if card is None or card.memory is None or peak * 1e9 > FULL_CARD * card.memory:
            continue
        if scheme is None or not scheme.estimated_bits or not labels.parameters:
            continue
        weights = weight_bytes(labels.parameters, scheme.estimated_bits)
        need = estimate_memory(
            weights, None, context=row["context"], kv_type=kv_type, parameters=labels.parameters,
            active=labels.active_parameters,
        )  # fmt: skip
        key = (row["id"], row["quant"], peak, row["context"])
        if weights < 1.2 * peak * 1e9 and key not in seen:  # more: part of it was in RAM, which the row does not say
            seen.add(key)
            name = f"{row['id']} {row['quant']}"
            yield Compared("peak of a card, no header", name, row["context"], peak * 1e9, need.total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path)
    parser.add_argument("--peaks", type=Path)
    options = parser.parse_args()
    compared = list(compare_logs(read_rows(options.logs)))
    if options.peaks:
        compared += compare_peaks(read_rows(options.peaks))
    table = []
    for what in dict.fromkeys(each.what for each in compared):
        off = sorted(abs(each.off) for each in compared if each.what == what)
        within = sum(each <= 0.15 for each in off) / len(off)
        table.append((what, str(len(off)), f"{median(off):.1%}", f"{within:.0%}", f"{off[-1]:.1%}"))
    print(markdown_table(("compared", "rows", "median error", "within 15 %", "worst"), table))
    worst = sorted(compared, key=lambda each: -abs(each.off))[:10]
    print(markdown_table(
        ("worst", "compared", "context", "reported", "estimated", "off"),
        [(each.name, each.what, f"{each.context:,}", f"{each.reported / 1e9:.2f} GB", f"{each.estimated / 1e9:.2f} GB",
          f"{each.off:+.0%}") for each in worst]))  # fmt: skip


if __name__ == "__main__":
    main()
