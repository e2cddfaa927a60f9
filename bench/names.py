"""Speed of parsing names, compared with two other parsers, in one run on one core.

    python bench/names.py [--names FILE] [--lines 1000000]

FILE holds one repo id or file name per line, plain or gzipped; without it the names of tests/corpus are repeated.
Prints the fastest of three passes over all names:
  ours               analysis.names.parse_name, every label: the first pass, with empty caches, and the fastest one
  ours, all tokens   the same with `tokens` and `unclaimed`, which are computed on first use
  gguf-py            gguf.metadata.Metadata.get_model_id_components: five labels
  quant expression   what huggingface.js does for one label: the last match of one alternation of all file types
and the ratios between them. Then `hf-catalog label - --json` with process start and output: names per second, and the
memory of its process after a quarter of the lines and after all. Last, the slowest malicious name.

Last figures (170,264 repo ids of the Hub, Python 3.11, two cores shared with other programs):
  ours 11.3 (first pass 16.7), with all tokens 15.6, gguf-py 12.3 (0.92), quant expression 3.2 (3.5)
  label - --json: 28,900 names per second of CPU time, 81 MB after 50,000 lines, 94 MB after 200,000
  slowest malicious name 0.5 ms

Bytecodes of one name, which no load changes (sys.settrace with f_trace_opcodes, 2,000 of these ids after 18,000
others): the first time 1,243, again 1,043, with all tokens 1,412; commit 507a8fa of 24 Nov 2026: 1,438, 1,267, 1,642.
"""

from __future__ import annotations

import argparse
import gzip
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable
from itertools import cycle, islice
from pathlib import Path

from gguf import LlamaFileType
from gguf.metadata import Metadata

from analysis.names import parse_name

CORPUS = Path(__file__).parents[1] / "tests" / "corpus" / "names.toml"
PASSES = 3


def names_of(file: Path | None) -> list[str]:
    if file is None:
        return list(islice(cycle(tomllib.loads(CORPUS.read_text(encoding="utf-8"))), 20_000))
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return [line for line in data.decode("utf-8").splitlines() if line]


def microseconds(read: Callable[[str], object], names: list[str]) -> list[float]:
    """CPU time per name of each pass, in microseconds."""
    passes = []
    for _ in range(PASSES):
        start = time.process_time()
        for name in names:
            read(name)
        passes.append((time.process_time() - start) / len(names) * 1e6)
    return passes


def quant_expression() -> Callable[[str], object]:
    """The last match of one alternation of llama.cpp's file types, as huggingface.js labels quants."""
    types = [kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in LlamaFileType]
    types += [f"Q{bits}_K_XL" for bits in range(2, 9)] + ["MXFP4"]
    alternatives = "|".join(sorted(map(re.escape, types), key=len, reverse=True))
    find = re.compile(rf"(?:UD-)?(?:{alternatives})(?:_[A-Z]+)?").findall
    return lambda name: (find(name.upper()) or [None])[-1]


def piped(names: Iterable[str]) -> tuple[float, float, int]:
    """Seconds, seconds of CPU time and peak memory (kB) of `hf-catalog label - --json` over these names."""
    text = "\n".join(names) + "\n"
    code = (
        "import resource, sys; from crawler.cli import main\n"
        "try: main(['label', '-', '--json'])\n"
        "except SystemExit: pass\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], input=text, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    took = time.perf_counter() - start
    worked, memory = done.stderr.split()[-2:]
    return took, float(worked), int(memory)


MALICIOUS = (
    "a" * 512, "Q4_K_" * 102, "1_" * 256, "1_6b-" * 102, "Qwen2.5-" * 64, "opus-mt-" * 64, "00001-of-" * 56, "/" * 512,
    "Aa1" * 170, "8x" * 256, "a/" * 256, ".gguf" * 102, "v1." * 170, "12b" * 170,
)  # fmt: skip


def slowest_malicious_name() -> tuple[float, str]:
    """(milliseconds, start of the name) of the slowest malicious name of 512 bytes, parsed for the first time."""
    parse_name("warm")
    found = []
    for name in MALICIOUS:
        start = time.perf_counter()
        parse_name(name)
        found.append(((time.perf_counter() - start) * 1e3, name[:12]))
    return max(found)


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of parsing names, compared with other parsers.")
    parser.add_argument("--names", type=Path)
    parser.add_argument("--lines", type=int, default=200_000, help="lines piped through the command line")
    options = parser.parse_args()
    names = names_of(options.names)
    ours = microseconds(parse_name, names)
    whole_name = microseconds(lambda name: parse_name(name).tokens, names)
    gguf = microseconds(Metadata.get_model_id_components, names)
    quant = microseconds(quant_expression(), names)
    print(f"{len(names):,} names, microseconds per name on one core")
    print(f"  ours              {min(ours):6.1f}   the first pass {ours[0]:.1f}")
    print(f"  ours, all tokens  {min(whole_name):6.1f}")
    print(f"  gguf-py           {min(gguf):6.1f}   ours is {min(ours) / min(gguf):.2f} of it")
    print(f"  quant expression  {min(quant):6.1f}   ours is {min(ours) / min(quant):.2f} of it")
    _, _, few = piped(islice(cycle(names), options.lines // 4))
    whole, worked, many = piped(islice(cycle(names), options.lines))
    print(f"label - --json: {options.lines:,} lines in {whole:.1f} s, {options.lines / whole:,.0f} names per second")
    print(f"  {worked:.1f} s of CPU time, start and output included: {options.lines / worked:,.0f} per second")
    print(
        f"  memory {few / 1024:.0f} MB after {options.lines // 4:,} lines, {many / 1024:.0f} MB after {options.lines:,}"
    )
    took, name = slowest_malicious_name()
    print(f"slowest malicious name of 512 bytes: {took:.2f} ms ({name}...)")


if __name__ == "__main__":
    main()
