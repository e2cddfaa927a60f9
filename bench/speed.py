"""Fits of speed.toml, and how far estimates are from measured speeds.

    python -m bench.speed RUNS.jsonl[.gz] [--uncleaned RUNS.jsonl[.gz]]

A run is a JSON object on a line: `bytes` of the weights, `active_share` of them (None: unknown, left out), `kind`
(dense, moe), `gpu`, `bandwidth_gbs`, `tok_s`, `engine`, `id`. Prints the rows for analysis/fit/speed.toml, then the
errors: of the rows on the runs that they were fitted on, and of a fit on half of the models judged on the other half;
both against the bound alone; then the ten worst. `--uncleaned`: rows as llmfit publishes them, for processors (at 89.6
GB/s, DDR5-5600 in two channels), vLLM and MLX. A maker's row is printed only where it predicts runs that it was not
fitted on a tenth better than the row of all makers.

Figures of 2026-11-28, 386 runs that llmfit's users and LocalScore's published, are in docs/memory.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from analysis.fit.cards import find_card
from analysis.fit.speed import ENGINES, SpeedFit, find_speed_fit
from analysis.names.parse import parse_name
from analysis.schemes.schemes import find_scheme_by_alias
from analysis.text import markdown_table

EFFICIENCIES = tuple(step / 100 for step in range(30, 101, 2))
MILLISECONDS = tuple(step / 4 for step in range(41))
MIN_RUNS = 4
MIN_RUNS_OF_A_MAKER = 12
PROCESSOR_BANDWIDTH_GBS = 89.6
MIN_BYTES = 10**8  # smaller models measure the program rather than the memory


@dataclass(frozen=True, slots=True)
class Run:
    """One published run: bytes that a token reads, GB per second, tokens per second."""

    model: str
    engine: str
    kind: str
    card: str
    maker: str
    bytes: float
    bandwidth_gbs: float
    measured: float

    def estimate(self, efficiency: float, seconds: float) -> float:
        return 1 / (self.bytes / (efficiency * self.bandwidth_gbs * 1e9) + seconds)

    @property
    def bound(self) -> float:
        return self.bandwidth_gbs * 1e9 / self.bytes


def read_rows(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def read_runs(rows: Iterable[dict[str, Any]]) -> list[Run]:
    runs = []
    for row in rows:
        share = row["active_share"]
        if share is None:
            continue
        card = find_card(row["gpu"])
        maker = "unknown" if card is None else card.name.lower() if card.maker == "unified" else card.maker
        engine = ENGINES.get(row["engine"], row["engine"])
        size = row["bytes"] * share
        runs.append(Run(row["id"], engine, row["kind"], row["gpu"], maker, size, row["bandwidth_gbs"], row["tok_s"]))
    return runs


def read_uncleaned_runs(rows: Iterable[dict[str, Any]]) -> list[Run]:
    """Runs of engines and hardware that the other rows lack: processors, vLLM, MLX.

    Only one sequence, one card that holds the whole model, no draft; bytes are those of the name's parameters and
    scheme. Rows do not state how many requests ran beside: of each model and card the fastest is kept.
    """
    fastest: dict[tuple[str, str], Run] = {}
    for row in rows:
        cpu = row["backend"] == "cpu"
        if not (cpu or row["engine"] in ("vllm", "mlx")) or row["spec"] or row["concurrent"] or row["gpus"] != 1:
            continue
        labels = parse_name(row["id"])
        scheme = find_scheme_by_alias(labels.quant or row["quant"] or "")
        card = None if cpu else find_card(row["gpu"] or row["chip"] or "")
        if scheme is None or not scheme.estimated_bits or not labels.parameters or (card is None and not cpu):
            continue
        weights = labels.parameters * scheme.estimated_bits / 8
        if weights < MIN_BYTES or (card is not None and card.memory is not None and weights > 0.95 * card.memory):
            continue
        size = weights * (labels.active_parameters or labels.parameters) / labels.parameters
        kind = "moe" if labels.active_parameters else "dense"
        bandwidth = PROCESSOR_BANDWIDTH_GBS if card is None else card.bandwidth / 1e9
        engine, name = ("llama.cpp" if cpu else row["engine"]), (row["cpu"] if cpu else row["gpu"] or row["chip"])
        run = Run(row["id"], engine, kind, name, "cpu" if card is None else card.maker, size, bandwidth, row["tok_s"])
        key = (row["id"] + (row["quant"] or ""), name)
        fastest[key] = max(fastest.get(key, run), run, key=lambda each: each.measured)
    return list(fastest.values())


Key = tuple[str, str, str | None]  # engine, kind, maker or None


def fit_runs(runs: Sequence[Run]) -> tuple[float, float]:
    """Efficiency and seconds of the smallest mean |log(measured / estimated)|."""

    def error(pair: tuple[float, float]) -> float:
        return sum(abs(math.log(run.measured / run.estimate(*pair))) for run in runs)

    return min(((share, wait / 1000) for share in EFFICIENCIES for wait in MILLISECONDS), key=error)


def group_runs(runs: Iterable[Run]) -> dict[Key, list[Run]]:
    """By engine and kind; and by maker where there are enough."""
    groups: dict[Key, list[Run]] = defaultdict(list)
    for run in runs:
        if run.maker != "cpu":
            groups[run.engine, run.kind, None].append(run)
        groups[run.engine, run.kind, run.maker].append(run)
    enough = {key: group for key, group in groups.items() if len(group) >= MIN_RUNS}
    return {key: group for key, group in enough.items() if key[2] in (None, "cpu") or len(group) >= MIN_RUNS_OF_A_MAKER}


def quantile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def toml_row(key: Key, runs: Sequence[Run]) -> str:
    efficiency, seconds = fit_runs(runs)
    ratios = [run.measured / run.estimate(efficiency, seconds) for run in runs]
    maker = f'maker = "{key[2]}"\n' if key[2] else ""
    return (
        f'[[fits]]\nengine = "{key[0]}"\nkind = "{key[1]}"\n{maker}efficiency = {efficiency}\nseconds = {seconds:g}\n'
        f"low = {quantile(ratios, 0.1):.2f}\nhigh = {quantile(ratios, 0.9):.2f}\n"
        f"runs = {len(runs)}\ncards = {len({run.card for run in runs})}\n"
    )


def off(runs: Sequence[Run], estimate: Callable[[Run], float]) -> tuple[str, str]:
    """The median and the nine-tenths factor between estimate and measurement."""
    factors = [math.exp(abs(math.log(run.measured / estimate(run)))) for run in runs]
    return f"x{quantile(factors, 0.5):.2f}", f"x{quantile(factors, 0.9):.2f}"


def kept(run: Run) -> float:
    """The estimate by the kept table."""
    fit: SpeedFit = find_speed_fit(run.engine, "moe" if run.kind == "moe" else "dense", run.maker)
    return run.estimate(fit.efficiency, fit.seconds)


def judge_apart(runs: Sequence[Run]) -> dict[Run, float]:
    """Estimates from half of the runs for the other half, and the other way round: halves share no model on a card."""
    halves: tuple[list[Run], list[Run]] = ([], [])
    for run in runs:
        halves[sha256(f"{run.model} {run.card}".encode()).digest()[0] % 2].append(run)
    estimates: dict[Run, float] = {}
    for fitted, judged in (halves, halves[::-1]):
        if fitted:
            pair = fit_runs(fitted)
            estimates |= {run: run.estimate(*pair) for run in judged}
    return estimates


def is_worth_a_row(key: Key, groups: Mapping[Key, Sequence[Run]]) -> bool:
    """Whether a maker's own fit predicts other runs of it a tenth better than the fit of all makers."""
    general = groups.get((key[0], key[1], None))
    if key[2] is None or general is None or key[2] == "cpu":
        return True
    apart, pair = judge_apart(groups[key]), fit_runs(general)
    return mean_log_error(apart, apart.__getitem__) < 0.9 * mean_log_error(apart, lambda run: run.estimate(*pair))


def mean_log_error(runs: Iterable[Run], estimate: Callable[[Run], float]) -> float:
    errors = [abs(math.log(run.measured / estimate(run))) for run in runs]
    return sum(errors) / len(errors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--uncleaned", type=Path)
    options = parser.parse_args()
    runs = read_runs(read_rows(options.runs))
    if options.uncleaned:
        runs += read_uncleaned_runs(read_rows(options.uncleaned))
    grouped = group_runs(runs)
    groups = {key: group for key, group in grouped.items() if is_worth_a_row(key, grouped)}
    print("\n".join(toml_row(key, group) for key, group in sorted(groups.items(), key=str)))
    table = [
        (key[0], key[1], key[2] or "any", str(len(group)), *off(group, kept),
         *(off(list(apart), apart.__getitem__) if (apart := judge_apart(group)) else ("", "")),
         *off(group, lambda run: run.bound))
        for key, group in sorted(groups.items(), key=str)
    ]  # fmt: skip
    print(markdown_table(
        ("engine", "kind", "maker", "runs", "median", "nine tenths", "median, other half", "nine tenths, other half",
         "bound: median", "bound: nine tenths"), table))  # fmt: skip
    worst = sorted(runs, key=lambda run: -abs(math.log(run.measured / kept(run))))[:10]
    print(markdown_table(
        ("model", "hardware", "engine", "measured", "estimated"),
        [(run.model, run.card, run.engine, f"{run.measured:.1f}", f"{kept(run):.1f}") for run in worst]))  # fmt: skip


if __name__ == "__main__":
    main()
