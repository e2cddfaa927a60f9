"""Headers that cost are read by a process, which is ended at its limits: a crawl skips such a header and continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from analysis.errors import HeaderMalformed, HeaderTooCostly, SourceError
from analysis.formats import readers
from analysis.formats.source import ByteSource, BytesSource
from crawler import read_headers
from crawler.read_headers import HeaderProcess, HeaderProcesses, RecordedSources, TooLargeForThread
from db.records import ArtifactRecord, Header
from samplehub import Catalog, SampleHub
from tests.analysis.formats.gguf_file import LAYERS, gguf, model
from tests.analysis.formats.safetensors_file import Shapes, written
from tests.crawler.hubs import requested_paths, run_crawl
from tests.crawler.test_crawl import rows
from tests.environment import user_environment

PROGRAM = """
import os, sys, time
from multiprocessing.connection import Connection
from analysis.formats import readers
from crawler import header_process
def read(*args, **options):
    {body}
readers.read_artifact = read
header_process.serve_requests(Connection(int(sys.argv[1])), int(sys.argv[2]), {seconds})
"""

FOREVER = "while True: pass"
MUCH_MEMORY = "return bytearray(4 << 30), ()"
DEATH = "os.kill(os.getpid(), 9)"
BUG = "raise KeyError('x')"


def program(body: str, seconds: float = 60) -> tuple[str, str]:
    """Arguments of Python for a process whose reader does something else."""
    return "-c", PROGRAM.format(body=body, seconds=seconds)


@pytest.fixture(autouse=True)
def no_thread_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """All headers are read by processes, however small."""
    monkeypatch.setattr(read_headers, "MAX_THREAD_BYTES", 0)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeaderProcesses]:
    """The processes of one test; it sets what they run."""
    found = HeaderProcesses()
    monkeypatch.setattr(read_headers, "_processes", found)
    yield found
    found.end()


class LoggedSource(BytesSource):
    """A file in memory that remembers what was read of it."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data, name)
        self.ranges: list[tuple[int, int]] = []

    def read(self, start: int, length: int) -> bytes:
        self.ranges.append((start, length))
        return super().read(start, length)


def artifact(*paths: str) -> ArtifactRecord:
    return ArtifactRecord(paths[0], "weights", paths[0].rpartition(".")[2], paths, None)


def read(data: bytes, path: str = "model.gguf") -> Header:
    return read_headers.read_artifact(artifact(path), {}, lambda _: BytesSource(data, path))[0]


SMALL = gguf(model(40), LAYERS)
LARGE = gguf(model(3000, merges=3000), LAYERS)
TENSORS: Shapes = {f"model.layers.{at}.w": ("F32", (2, 2)) for at in range(3000)}


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for_end(pid: int) -> None:
    while is_running(pid):
        time.sleep(0.02)


# ---- what is read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0, 20_000, 1 << 30])
def test_the_header_is_the_same_wherever_it_is_read(
    most: int, processes: HeaderProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process from the first byte, by one that continues after a thread, or by the thread alone."""
    monkeypatch.setattr(read_headers, "MAX_THREAD_BYTES", most)
    first, size = written(TENSORS)
    for path, data, whole in (("m.gguf", LARGE, len(LARGE)), ("m.safetensors", first, size)):
        ours, theirs = LoggedSource(data, path), LoggedSource(data, path)
        expected = readers.read_artifact(artifact(path), {path: whole}, lambda _, source=theirs: source)  # type: ignore[misc]
        found = read_headers.read_artifact(artifact(path), {path: whole}, lambda _, source=ours: source)  # type: ignore[misc]
        assert found == expected
        assert ours.ranges == theirs.ranges, "a range was read twice"
    assert len(processes.idle) == (most < 1 << 30)


def test_known_array_lengths_are_used_by_the_process(processes: HeaderProcesses) -> None:
    first, learned = read_headers.read_artifact(artifact("m.gguf"), {}, lambda path: BytesSource(LARGE, path))
    again, new = read_headers.read_artifact(
        artifact("m.gguf"), {}, lambda path: BytesSource(LARGE, path), array_lengths=learned
    )
    assert learned and not new
    assert again.bytes_read < first.bytes_read and again.parameters == first.parameters


def test_shards_are_opened_once_each(processes: HeaderProcesses) -> None:
    parts = {f"m-{at}.safetensors": written({f"t{at}": ("F32", (4,))}) for at in range(3)}
    opened: list[str] = []

    def open_source(path: str) -> ByteSource:
        opened.append(path)
        data, size = parts[path]
        return BytesSource(data, path, size)

    found, _ = read_headers.read_artifact(artifact(*parts), {}, open_source)
    assert (found.parameters, found.requests, opened) == (12, 3, list(parts))


def test_a_large_answer_of_the_hub_is_read_by_the_process(
    processes: HeaderProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    payload = {"headers": {"a.safetensors": {"t": entry}, "b.safetensors": {"u": entry}}}
    both = artifact("a.safetensors", "b.safetensors")
    assert read_headers.read_answer(payload, both, {}, {}).parameters == 8
    assert len(processes.idle) == 1
    processes.end()
    monkeypatch.setattr(read_headers, "MAX_THREAD_BYTES", 10_000)
    assert read_headers.read_answer(payload, both, {}, {}).parameters == 8
    assert not processes.idle


def test_a_thread_reads_no_byte_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_headers, "MAX_THREAD_BYTES", 10)
    source = LoggedSource(bytes(100), "x")
    sources = RecordedSources(lambda _: source)
    assert sources.open("x").read(0, 8) == bytes(8)
    with pytest.raises(TooLargeForThread):
        sources.open("x").read(8, 3)
    sources.replay()
    again = sources.open("x")
    assert (again.requests, again.read(0, 8), again.read(8, 3), again.requests) == (0, bytes(8), bytes(3), 2)
    assert source.ranges == [(0, 8), (8, 3)]


# ---- what a process may cost -----------------------------------------------------------------------------------------


def test_a_reader_that_never_ends_is_ended_and_the_next_header_is_read(processes: HeaderProcesses) -> None:
    processes.arguments, processes.seconds = program(FOREVER), 0.2
    with pytest.raises(HeaderTooCostly, match=r"^model\.gguf: reading its header took longer than 0\.2 s$"):
        read(SMALL)
    assert not processes.idle
    processes.arguments, processes.seconds = HeaderProcesses().arguments, 60
    assert read(SMALL).architecture == "llama"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts this memory")
def test_a_reader_that_takes_too_much_memory_is_ended(processes: HeaderProcesses) -> None:
    processes.arguments = program(MUCH_MEMORY)
    with pytest.raises(HeaderTooCostly, match="took more than 768 MiB of memory"):
        read(SMALL)
    assert not processes.idle


def test_the_system_ends_a_reader_whose_parent_does_not(processes: HeaderProcesses) -> None:
    processes.arguments = program(FOREVER, seconds=0.01)
    with pytest.raises(HeaderTooCostly, match="took longer than"):
        read(SMALL)


def test_a_process_that_dies_costs_one_header(processes: HeaderProcesses) -> None:
    processes.arguments = program(DEATH)
    with pytest.raises(HeaderTooCostly, match="ended the process that read it"):
        read(SMALL)
    processes.arguments = HeaderProcesses().arguments
    assert read(SMALL).architecture == "llama"


def test_an_error_of_a_reader_is_passed_on_and_the_process_stays(processes: HeaderProcesses) -> None:
    with pytest.raises(HeaderMalformed):
        read(gguf({"general.alignment": 3}, LAYERS))
    (kept,) = processes.idle
    assert read(SMALL).architecture == "llama"
    assert processes.idle == [kept]


def test_a_process_that_has_grown_is_not_kept(processes: HeaderProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(SMALL).architecture == "llama"
    (process,) = processes.idle
    assert 0 < process.memory_bytes < read_headers.MAX_IDLE_MEMORY_BYTES
    monkeypatch.setattr(read_headers, "MAX_IDLE_MEMORY_BYTES", process.memory_bytes - 1)
    assert read(SMALL).architecture == "llama"
    assert not processes.idle and not is_running(process.process.pid)


def test_a_bug_of_a_reader_has_a_name(processes: HeaderProcesses) -> None:
    processes.arguments = program(BUG)
    with pytest.raises(RuntimeError, match="KeyError: 'x'"):
        read(SMALL)


def test_an_error_of_a_source_is_passed_on_as_it_is(processes: HeaderProcesses) -> None:
    class Gone(BytesSource):
        def read(self, start: int, length: int) -> bytes:
            raise SourceError(self.name, "is gone")

    for _ in range(2):  # the process serves the next header too
        with pytest.raises(SourceError, match="is gone"):
            read_headers.read_artifact(artifact("m.gguf"), {}, lambda path: Gone(SMALL, path))
    assert len(processes.idle) == 1
    assert read(SMALL).architecture == "llama"


def test_a_configuration_that_is_too_deep_to_be_sent_is_refused(processes: HeaderProcesses) -> None:
    deep: dict[str, object] = {}
    for _ in range(50_000):
        deep = {"a": deep}
    with pytest.raises(HeaderMalformed, match="a configuration of few levels"):
        read_headers.read_artifact(artifact("m.gguf"), {}, lambda path: BytesSource(SMALL, path), config=deep)
    while deep:  # freed level by level
        deep = deep.pop("a")  # type: ignore[assignment]


def test_without_a_process_the_thread_reads(processes: HeaderProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(arguments: Sequence[str]) -> HeaderProcess:
        raise OSError("no more processes")

    monkeypatch.setattr(HeaderProcess, "start", refuse)
    assert read(SMALL).architecture == "llama"


# ---- what a process knows --------------------------------------------------------------------------------------------


def test_the_process_has_no_token_and_imports_nothing_from_the_current_folder(
    processes: HeaderProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("open('imported', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert read(SMALL).architecture == "llama"
    environment = Path(f"/proc/{processes.idle[0].process.pid}/environ").read_bytes()
    assert b"hf_secret" not in environment
    assert not (tmp_path / "imported").exists()


PARENT = """
import sys
from analysis.formats.source import BytesSource
from crawler import read_headers as hp
from db.records import ArtifactRecord
hp.MAX_THREAD_BYTES = 0
process = hp.HeaderProcess.start(sys.argv[1:])
print(process.process.pid, flush=True)
artifact = ArtifactRecord("m.gguf", "weights", "gguf", ("m.gguf",), None)
request = hp.ArtifactRequest(artifact, {}, {}, None)
process.read(request, lambda path: BytesSource(b"", path), hp.ArrayLengths(), 600)
"""


def test_a_process_ends_with_its_parent_even_while_it_reads() -> None:
    command = [sys.executable, "-c", PARENT, *program(FOREVER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=user_environment()) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        os.kill(parent.pid, signal.SIGKILL)
    wait_for_end(pid)


# ---- a crawl ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    catalog = Catalog()
    for name in ("evil", "good"):
        catalog.add(f"acme/{name}", {"model.gguf": SMALL})
    with SampleHub(catalog=catalog) as hub:
        yield hub


def test_a_crawl_skips_a_header_that_costs(sample: SampleHub, processes: HeaderProcesses, tmp_path: Path) -> None:
    processes.arguments, processes.seconds = program(FOREVER), 0.2
    db = tmp_path / "catalog.db"
    run = run_crawl(db, sample, depth="headers")
    assert run.outcome == "complete"
    skips = rows(db, "select reason, detail from skips order by repo_id")
    assert skips == [("failed", "model.gguf: reading its header took longer than 0.2 s")] * 2
    assert requested_paths(sample, "model.gguf") == []
    processes.arguments = program(BUG)  # would be seen if a header was read again
    again = run_crawl(db, sample, depth="headers")
    assert (again.outcome, again.repos_enriched) == ("complete", 0)
