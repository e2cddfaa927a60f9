"""Cost of the largest safetensors headers, honest and hostile, compared with json.loads and with safetensors' reader.

    python -m bench.tensors [--peer PYTHON] [--pairs N]

Processor time and growth of memory at its peak (Linux), each in a process of its own, of reading the header of a
mixture of experts: what a valid one of this size costs, beside headers of the same size that are made to cost.
`--peer`: an interpreter that has the package `safetensors`, whose `safe_open` parses the header of the same files.

Last figures (2 busy cores, 28 Nov 2026): at the end of docs/headers.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from analysis.errors import HeaderError
from analysis.formats.readers import read_artifact
from analysis.formats.source import FileSource
from db.records import ArtifactRecord
from tests.security.costs import read_peak, reset_peak

CONFIG = {"model_type": "deepseek_v3", "n_routed_experts": 256, "num_experts_per_tok": 8, "num_hidden_layers": 61}
PEER = """
import sys, time
from safetensors import safe_open
start = time.process_time()
for path in sys.argv[1:]:
    with safe_open(path, "np") as file:
        pass
print(time.process_time() - start)
"""
Entry = tuple[str, list[int], str]
"""A tensor's name, its shape of 16-bit elements, and further JSON."""


def expert(at: int) -> str:
    layer, number = divmod(at, 768)
    return f"model.layers.{layer}.mlp.experts.{number % 256}.{('gate', 'up', 'down')[number // 256]}_proj.weight"


def costly(kinds: int) -> Callable[[int], Entry]:
    """Tensors of so many kinds of modules and of shapes, with names as long as are allowed."""

    def entry(at: int) -> Entry:
        number, kind = divmod(at, kinds)
        return f"{'a' * 40}.{number}.layers.{kind}.experts.lora_A.weight", [8, kind + 1], ""

    return entry


CASES: dict[str, tuple[int, int, Callable[[int], Entry]]] = {
    "180,000 tensors in 2 files": (2, 90_000, lambda at: (expert(at), [64, 64], "")),
    "300,000 tensors in 3 files": (3, 100_000, lambda at: (expert(at), [64, 64], "")),
    "300,000, as costly as allowed": (3, 100_000, costly(2_990)),
    "120,000, as costly as allowed": (2, 60_000, costly(7_490)),
    "600,000 tensors in 6 files": (6, 100_000, lambda at: (expert(at), [64, 64], "")),
    "600,000, names all different": (6, 100_000, lambda at: (f"a{at}.experts.lora_A.lm_head.weight", [64, 64], "")),
    "600,000, shapes all different": (6, 100_000, lambda at: (expert(at), [at + 1], "")),
    "600,000, further fields": (6, 100_000, lambda at: (expert(at), [64, 64], ',"a":1')),
}
"""Files, tensors of each, and what a tensor is."""


def write_files(folder: Path, files: int, tensors: int, entry: Callable[[int], Entry]) -> Iterator[Path]:
    """Files whose data is a hole."""
    for number in range(files):
        entries, end = [], 0
        for at in range(number * tensors, (number + 1) * tensors):
            name, shape, more = entry(at)
            begin, end = end, end + 2 * (shape[0] * shape[1] if len(shape) == 2 else shape[0])
            text = json.dumps(shape, separators=(",", ":"))
            entries.append(f'"{name}":{{"dtype":"BF16","shape":{text},"data_offsets":[{begin},{end}]{more}}}')
        raw = f"{{{','.join(entries)}}}".encode()
        path = folder / f"model-{number + 1:05}-of-{files:05}.safetensors"
        path.write_bytes(len(raw).to_bytes(8, "little") + raw)
        os.truncate(path, 8 + len(raw) + end)
        yield path


def read_files(paths: list[str]) -> None:
    """Prints seconds of processor time and bytes of memory, and what came of it."""
    artifact = ArtifactRecord("model", "weights", "safetensors", tuple(paths), None)
    gc.disable()  # as in the process that reads large headers
    before, start, result = reset_peak(), time.process_time(), ""
    try:
        result = f"{read_artifact(artifact, {}, FileSource, config=CONFIG)[0].tensor_count:,} tensors"
    except HeaderError as error:
        result = f"refused: {error.expected}"
    print(json.dumps([time.process_time() - start, read_peak() - before, result]))


def parse_json(paths: list[str]) -> None:
    """Prints what json.loads takes for the same."""
    raws = [Path(path).open("rb").read(25_000_000)[8:].partition(b"\0")[0] for path in paths]  # noqa: SIM115
    gc.disable()
    before, start = reset_peak(), time.process_time()
    for raw in raws:
        with suppress(ValueError):
            json.loads(raw)
    print(json.dumps([time.process_time() - start, read_peak() - before, ""]))


def run(mode: str, paths: list[Path]) -> tuple[float, int, str]:
    command = [sys.executable, "-P", __file__, mode, *map(str, paths)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    seconds, memory, result = json.loads(done.stdout)
    return seconds, memory, result


def main() -> None:
    if sys.argv[1:2] in (["--read"], ["--json"]):
        (read_files if sys.argv[1] == "--read" else parse_json)(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="an interpreter with the package safetensors")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each; the fastest counts")
    options = parser.parse_args()
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory(prefix="tensors-") as folder:
            paths = list(write_files(Path(folder), *case))
            pairs = [(run("--read", paths), run("--json", paths)) for _ in range(options.pairs)]
            ours = min(ours[0] for ours, _ in pairs)  # other programs only add
            ratio = ours / min(loads[0] for _, loads in pairs)
            _, memory, result = pairs[0][0]
            line = f"{name:32}{ours:6.2f} s{memory / 1e6:7.0f} MB   {ratio:5.2f} x json.loads"
            if options.peer:
                peer = subprocess.run(
                    [options.peer, "-P", "-c", PEER, *map(str, paths)], capture_output=True, text=True, check=False
                )
                line += (
                    f"   {ours / float(peer.stdout):5.2f} x safe_open" if not peer.returncode else "   safe_open fails"
                )
            print(f"{line}   {result}", flush=True)


if __name__ == "__main__":
    main()
