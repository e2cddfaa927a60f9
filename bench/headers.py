"""Cost of reading a GGUF header: our reader compared with other readers, on the same server.

    python bench/headers.py [--recorded FOLDER] [--peers FOLDER] [--install]

Serves headers on loopback; each reader reads one in a separate process: requests and bytes as counted by the server,
seconds of the call (without imports), and growth of the process at its peak (Linux only). Ours is measured four times:
with an unknown tokenizer, with a known one, a sibling of a file that was read before, and a file on disk.

The other readers are optional; missing ones are named. `--install` puts hf-mem (pip) and @huggingface/gguf (npm) into
the folder `--peers`, by default a temporary one; `gguf` comes with the test extra and reads files on disk only.
`--recorded`: a folder with gguf.tar.xz and index.jsonl (real headers and the sizes of their files); by default the
recorded data beside the checkout, otherwise two synthetic headers as large as those of Llama 3 and Gemma 3.

Then, without a server: seconds to read 16 MB string by string and to skip them, memory of the reader, and time and
memory for malformed files.

Last figures (2 slow cores, 24 Nov 2026): at the end of docs/headers.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from analysis.errors import HeaderError  # noqa: E402
from analysis.formats.array_lengths import ArrayLengths, learn_lengths  # noqa: E402
from analysis.formats.gguf.reader import read_file  # noqa: E402
from analysis.formats.source import BytesSource, FileSource  # noqa: E402
from tests.analysis.formats.gguf_file import Tensor, gguf, header, model, padded  # noqa: E402
from tests.crawler.ranged import serving  # noqa: E402

PICKED = ("gemma-3-270m", "SmolLM2-135M-Instruct", "ggml-vocab-llama-bpe", "tiny-qwen3_moe-Q4_K_M")
NODE = """
import { gguf } from "@huggingface/gguf";
const start = performance.now(), before = process.memoryUsage().rss;
await gguf(process.argv[2]);
const peak = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, memory: peak - before }));
"""
PEAK = """
def peak(reset=False):
    if reset:
        open("/proc/self/clear_refs", "w").write("5")
    status = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1])
"""
HF_MEM = f"""
import asyncio, json, sys, time, httpx2
from hf_mem.gguf.fetch import fetch_gguf_metadata
{PEAK}
async def main():
    async with httpx2.AsyncClient() as client:
        before, start = peak(reset=True), time.perf_counter()
        await fetch_gguf_metadata(client, sys.argv[1])
        print(json.dumps({{"seconds": time.perf_counter() - start, "memory": peak() - before}}))
asyncio.run(main())
"""
GGUF_PY = f"""
import json, sys, time
from gguf import GGUFReader
{PEAK}
before, start = peak(reset=True), time.perf_counter()
GGUFReader(sys.argv[1])
print(json.dumps({{"seconds": time.perf_counter() - start, "memory": peak() - before}}))
"""


@dataclass(frozen=True)
class Sample:
    """A header, and how large its whole file is."""

    name: str
    data: bytes
    size: int


@dataclass(frozen=True)
class Cost:
    seconds: float
    memory: int
    requests: int = 0
    bytes: int = 0


# ---- input ----------------------------------------------------------------------------------------------------------


def samples(recorded: Path | None) -> list[Sample]:
    if recorded is None:
        return [
            synthetic_sample("synthetic-llama3", 128_000, 280_000),
            synthetic_sample("synthetic-gemma3", 262_144, 0),
        ]
    rows = {json.loads(line)["file"]: json.loads(line) for line in (recorded / "index.jsonl").open(encoding="utf-8")}
    found = []
    with tarfile.open(recorded / "gguf.tar.xz") as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.isfile() else None
            size = rows.get(member.name, {}).get("full_size")
            if file is not None and size:
                found.append(Sample(Path(member.name).name, file.read(), size))
    return found


def synthetic_sample(name: str, tokens: int, merges: int) -> Sample:
    raw, data = header(
        model(tokens, scores=not merges, merges=merges), [Tensor("blk.0.a.weight", (256, 900), 12, 129_600)]
    )
    return Sample(f"synthetic-{name}.gguf", raw, len(raw) + padded(data))


def malformed_headers(recorded: Path | None) -> dict[str, bytes]:
    from tests.analysis.formats.test_hostile import CASES

    found = {name: data for name, (data, _, _) in CASES.items()}
    if recorded is not None:
        with tarfile.open(recorded / "gguf.tar.xz") as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member) if "/evil/" in member.name and member.isfile() else None
                if file is not None:
                    found[Path(member.name).name] = file.read()
    return found


# ---- ours -----------------------------------------------------------------------------------------------------------


def ours(place: str, size: int, known: ArrayLengths, answers: Any) -> None:
    """Reads one header by URL or from disk in this process; puts (seconds, bytes of memory) into the queue."""
    from crawler.sources.huggingface.client import HubClient

    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    hub = HubClient("http://127.0.0.1:9", token=False)
    before, start = peak_memory(reset=True), time.perf_counter()
    source = hub.open_url(place) if place.startswith("http") else FileSource(place)
    read_file(source, known, size)
    answers.put((time.perf_counter() - start, peak_memory() - before))


def run_ours(place: str, size: int, known: ArrayLengths) -> tuple[float, int]:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=ours, args=(place, size, known, answers))
    process.start()
    answer: tuple[float, int] = answers.get(timeout=120)
    process.join()
    return answer


def peak_memory(reset: bool = False) -> int:
    """Peak memory of this process in bytes since the last reset (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1])


# ---- peers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    name: str
    command: Sequence[str]
    remote: bool


def peers(folder: Path, install: bool) -> tuple[list[Peer], list[str]]:
    """The other readers that are installed, and a line about each missing one."""
    found, missing = [], []
    python, node = folder / "venv" / "bin" / "python", shutil.which("node")
    if install:
        folder.mkdir(parents=True, exist_ok=True)
        if not python.exists():
            run_quietly([sys.executable, "-m", "venv", str(folder / "venv")])
            run_quietly([str(python), "-m", "pip", "install", "-q", "hf-mem"])
        if shutil.which("npm") and not (folder / "node_modules" / "@huggingface" / "gguf").exists():
            run_quietly(["npm", "install", "--silent", "--prefix", str(folder), "@huggingface/gguf"])
    try:
        import gguf as _  # noqa: F401

        found.append(Peer("gguf (Python)", [sys.executable, "-c", GGUF_PY], remote=False))
    except ImportError:
        missing.append("gguf: pip install '.[test]'")
    if python.exists() and run_quietly([str(python), "-c", "import hf_mem"]):
        found.append(Peer("hf-mem", [str(python), "-c", HF_MEM], remote=True))
    else:
        missing.append("hf-mem: run again with --install")
    if node and (folder / "node_modules" / "@huggingface" / "gguf").exists():
        script = folder / "read.mjs"
        script.write_text(NODE, encoding="utf-8")
        found.append(Peer("@huggingface/gguf", [node, str(script)], remote=True))
    else:
        missing.append(f"@huggingface/gguf: {'run again with --install' if node else 'needs Node'}")
    return found, missing


def run_quietly(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run_peer(peer: Peer, place: str) -> tuple[float, int] | None:
    done = subprocess.run([*peer.command, place], capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        return None
    cost = json.loads(done.stdout.splitlines()[-1])
    return cost["seconds"], cost["memory"]


# ---- side by side ---------------------------------------------------------------------------------------------------


def compare(sample: Sample, others: Sequence[Peer], folder: Path) -> None:
    path = folder / sample.name
    path.write_bytes(sample.data)
    os.truncate(path, sample.size)  # sparse: some readers map the whole file
    plain = ArrayLengths()
    known = ArrayLengths(learn_lengths(read_file(BytesSource(sample.data), size=sample.size).runs))
    costs: dict[str, Cost | None] = {}
    with serving({sample.name: sample.data}, sizes={sample.name: sample.size}) as web:
        url = f"{web.url}/{sample.name}"
        for name, layouts in (("hf-catalog, unknown", plain), ("hf-catalog, known", known)):
            web.asked.clear()
            costs[name] = Cost(*run_ours(url, sample.size, layouts), len(web.asked), web.sent)
        costs["hf-catalog, local"] = Cost(*run_ours(str(path), sample.size, plain))
        for peer in others:
            web.asked.clear()
            result = run_peer(peer, url if peer.remote else str(path))
            costs[peer.name] = Cost(*result, len(web.asked), web.sent) if result else None
    path.unlink()
    print(f"\n{sample.name}: a header of {len(sample.data):,} bytes")
    print(f"  {'':26}{'requests':>9}{'bytes':>13}{'seconds':>9}{'memory':>10}   against ours, unknown")
    first = costs["hf-catalog, unknown"]
    assert first is not None
    for name, cost in costs.items():
        print(f"  {name:26}{format_cost(cost, first)}")


def format_cost(cost: Cost | None, first: Cost) -> str:
    if cost is None:
        return "   fails on this file"
    remote = f"{cost.requests:9}{cost.bytes:13,}" if cost.requests else f"{'-':>9}{'-':>13}"
    ratios = [f"{cost.seconds / first.seconds:.1f} x time"]
    if cost.requests:
        ratios = [f"{cost.bytes / first.bytes:.2g} x bytes", *ratios]
    return f"{remote}{cost.seconds:9.3f}{cost.memory / 1e6:7.1f} MB   {', '.join(ratios)}"


def measure_reader(every: Sequence[Sample], malformed: dict[str, bytes]) -> None:
    """Prints time and memory of the reader itself."""
    data = gguf(model(262_144, scores=False, merges=640_000))
    file = read_file(BytesSource(data))
    known = ArrayLengths(learn_lengths(file.runs))
    print(
        f"\nreading {len(data) / 1e6:.1f} MB in memory     "
        f" {1e3 * fastest(lambda: read_file(BytesSource(data))):8.1f} ms"
    )
    print(f"skipping over it             {1e3 * fastest(lambda: read_file(BytesSource(data), known)):8.1f} ms")
    slowest = max((fastest(lambda s=s: skip(s)), s.name) for s in every)  # type: ignore[misc]
    print(f"slowest skip of {len(every):3} files     {1e3 * slowest[0]:8.1f} ms   {slowest[1]}")
    print(f"memory to read it            {peak_allocation(lambda: read_file(BytesSource(data))) / 1e6:8.1f} MB")
    worst = max((fastest(lambda d=d: read_malformed(d), 3), name) for name, d in malformed.items())  # type: ignore[misc]
    heaviest = max((peak_allocation(lambda d=d: read_malformed(d)), name) for name, d in malformed.items())  # type: ignore[misc]
    print(f"{len(malformed)} malformed files: slowest  {1e3 * worst[0]:8.1f} ms   {worst[1]}")
    print(f"                   heaviest  {heaviest[0] / 1e6:8.2f} MB   {heaviest[1]}")


KNOWN: dict[str, ArrayLengths] = {}


def skip(sample: Sample) -> None:
    if sample.name not in KNOWN:
        KNOWN[sample.name] = ArrayLengths(learn_lengths(read_file(BytesSource(sample.data), size=sample.size).runs))
    read_file(BytesSource(sample.data, size=len(sample.data)), KNOWN[sample.name], sample.size)


def read_malformed(data: bytes) -> None:
    with suppress(HeaderError):
        read_file(BytesSource(data))


def fastest(run: Callable[[], object], times: int = 5) -> float:
    """Seconds of the fastest of `times` runs."""
    run()
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)


def peak_allocation(run: Callable[[], object]) -> int:
    """Peak of the bytes that a run allocated."""
    with tracing():
        run()
        return tracemalloc.get_traced_memory()[1]


@contextmanager
def tracing() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recorded", type=Path, help="folder with gguf.tar.xz and index.jsonl")
    parser.add_argument("--peers", type=Path, help="folder of the other readers")
    parser.add_argument("--install", action="store_true", help="install the other readers there")
    parser.add_argument("--all", action="store_true", help="every recorded header, not one of each kind")
    options = parser.parse_args()
    beside = ROOT.parent / "shared" / "headers"
    recorded = options.recorded or (beside if (beside / "index.jsonl").exists() else None)
    with tempfile.TemporaryDirectory(prefix="headers-") as temporary:
        others, missing = peers(options.peers or Path(temporary) / "peers", options.install)
        for name in missing:
            print(f"not measured: {name}")
        every = samples(recorded)
        for sample in every:
            if options.all or recorded is None or sample.name.startswith(PICKED):
                compare(sample, others, Path(temporary))
        siblings([sample for sample in every if "135m-" in sample.name])
        measure_reader(every, malformed_headers(recorded))


def siblings(family: Sequence[Sample]) -> None:
    """Prints the cost of further quantizations of one model after the first was read."""
    if len(family) < 2:
        return
    known = ArrayLengths(learn_lengths(read_file(BytesSource(family[0].data), size=family[0].size).runs))
    costs = []
    for sample in family[1:]:
        source = BytesSource(sample.data)
        read_file(source, known, sample.size)
        costs.append((source.requests, source.bytes_read))
    most = max(costs)
    print(f"\n{len(costs)} siblings of {family[0].name}: at most {most[0]} requests, {most[1]:,} bytes each")


if __name__ == "__main__":
    main()
