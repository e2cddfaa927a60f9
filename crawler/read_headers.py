"""Headers are read within limits of time and memory: small ones by the thread that asks, others by a process.

Headers come from anyone, and Python can't end a thread. So a header is read in a process that can be killed, as soon
as more than MAX_THREAD_BYTES of it are needed. Fewer take a thread milliseconds, whatever they hold, since readers
take time that grows with the bytes they read (tests/security/test_readers.py).

A process that takes too long is killed, and another is started when it is needed. crawler/header_process.py is what it
runs.
"""

from __future__ import annotations

import atexit
import pickle
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from analysis.errors import HeaderMalformed, HeaderTooCostly
from analysis.formats.array_lengths import ArrayLengths
from analysis.formats.gguf.tokenizers import shipped_lengths
from analysis.formats.source import ByteSource
from analysis.units import KIB, MIB
from crawler.child_process import start_python
from crawler.header_process import (
    MAX_READ_SECONDS,
    AnswerRequest,
    ArtifactRequest,
    FindLengths,
    OpenFile,
    OpenSource,
    Outcome,
    PickleRequest,
    ReadRange,
    Request,
    Result,
    SourceState,
)
from db.record_base import Json
from db.records import ArrayLength, ArtifactRecord, Header

MAX_THREAD_BYTES = 256 * KIB
"""Bytes of one header that are read by the thread that asks for it. 97 of 100 headers need fewer."""

MAX_START_SECONDS = 60.0
"""Seconds that a process may take to start."""

MAX_PROCESSES = 4
"""Processes at a time: headers that need one are few. Each takes 30 MB, and up to 220 MB while it reads a large one."""

MAX_IDLE_MEMORY_BYTES = 100 * MIB
"""Memory up to which a process is kept for the next header: Python does not give back what a large header took."""


# ---- Reading, in this process ----------------------------------------------------------------------------------------


def read_artifact(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: OpenSource,
    *,
    array_lengths: Sequence[ArrayLength] = (),
    config: Json = {},  # noqa: B006  # read only
    base_parameters: int | None = None,
) -> Result:
    """What `readers.read_artifact` does, within limits. Raises HeaderTooCostly beyond them.

    The lengths of common tokenizers are known beside those of `array_lengths`.
    """
    request = ArtifactRequest(artifact, own_sizes(artifact, sizes), config, base_parameters)
    return _read(request, open_source, ArrayLengths((*shipped_lengths(), *array_lengths)))


def read_pickles(artifact: ArtifactRecord, sizes: Mapping[str, int | None], open_source: OpenSource) -> Header:
    """What `pickle_files.read_pickle_header` does, within limits. Raises HeaderTooCostly beyond them."""
    return _read(PickleRequest(artifact, own_sizes(artifact, sizes)), open_source, ArrayLengths())[0]


def _read(request: Request, open_source: OpenSource, lengths: ArrayLengths) -> Result:
    """What a request reads: in this thread while few bytes are needed, else in a process."""
    sources = RecordedSources(open_source)
    try:
        return request.read(sources.open, lengths)
    except TooLargeForThread:
        sources.replay()
    return _processes.read(request, sources.open, lengths)


def own_sizes(artifact: ArtifactRecord, sizes: Mapping[str, int | None]) -> dict[str, int | None]:
    """The sizes of an artifact's files."""
    return {path: sizes.get(path) for path in artifact.paths}


def read_answer(payload: Json, artifact: ArtifactRecord, sizes: Mapping[str, int | None], config: Json) -> Header:
    """What `readers.read_answer` does, within limits. Raises HeaderTooCostly beyond them."""
    request = AnswerRequest(payload, artifact, own_sizes(artifact, sizes), config)
    try:
        is_small = len(pickle.dumps(payload, pickle.HIGHEST_PROTOCOL)) <= MAX_THREAD_BYTES
    except RecursionError:
        raise HeaderMalformed(artifact.artifact, 0, "headers of three levels", "a great many") from None
    if is_small:
        return request.read(no_source, ArrayLengths())[0]
    return _processes.read(request, no_source, ArrayLengths())[0]


def no_source(path: str) -> ByteSource:
    raise LookupError(f"an answer of the Hub needs no file: {path}")


class TooLargeForThread(Exception):
    """A header needs more bytes than a thread reads."""


def state_of(source: ByteSource) -> SourceState:
    return SourceState(source.name, source.size, source.requests, source.bytes_read)


class RecordedSources:
    """The files of one artifact, whose first MAX_THREAD_BYTES are kept, so that a second reader gets them again.

    The first reader gets no more than those: TooLargeForThread is raised instead. `replay` starts the second one.
    """

    def __init__(self, open_source: OpenSource) -> None:
        self.open_source = open_source
        self.bytes_left = MAX_THREAD_BYTES
        self.is_limited = True
        self._opened: dict[str, RecordedSource] = {}

    def open(self, path: str) -> ByteSource:
        if path not in self._opened:
            self._opened[path] = RecordedSource(self, self.open_source(path))
        return self._opened[path]

    def replay(self) -> None:
        """Serves all reads from the beginning again, and those beyond the kept ones without a limit."""
        self.is_limited = False
        for source in self._opened.values():
            source.rewind()


class RecordedSource:
    """A file whose reads are kept while the first reader reads."""

    def __init__(self, sources: RecordedSources, source: ByteSource) -> None:
        self.name = source.name
        self._sources = sources
        self._source = source
        self._first_state = SourceState(source.name, source.size, source.requests, source.bytes_read)
        self._kept: dict[tuple[int, int], tuple[bytes, int]] = {}  # start, length -> bytes, requests that they took
        self.rewind()

    def rewind(self) -> None:
        """Sets size and counters as they were when the file was opened."""
        first = self._first_state
        self.size, self.requests, self.bytes_read = first.size, first.requests, first.bytes_read

    def read(self, start: int, length: int) -> bytes:
        kept = self._kept.get((start, length))
        if kept is None:
            kept = self._read(start, length)
        data, requests = kept
        self.size = self._source.size
        self.requests += requests
        self.bytes_read += len(data)
        return data

    def _read(self, start: int, length: int) -> tuple[bytes, int]:
        sources = self._sources
        if sources.is_limited and length > sources.bytes_left:
            raise TooLargeForThread
        before = self._source.requests
        read = self._source.read(start, length), self._source.requests - before
        if sources.is_limited:
            sources.bytes_left -= len(read[0])
            self._kept[start, length] = read
        return read


# ---- The processes, as this process sees them ------------------------------------------------------------------------


@dataclass(slots=True)
class HeaderProcess:
    """One process that reads headers, one after the other."""

    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    memory_bytes: int = 0  # after the last header

    @classmethod
    def start(cls, arguments: Sequence[str]) -> HeaderProcess:
        """Starts Python with these arguments. Raises OSError, and ValueError on Windows."""
        started = cls(*start_python(arguments))
        try:
            if started.connection.poll(MAX_START_SECONDS):
                started.connection.recv_bytes()  # the process is ready
                return started
        except EOFError:
            pass
        started.end()
        raise OSError("the process that reads headers does not start")

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def read(self, request: Request, open_source: OpenSource, lengths: ArrayLengths, seconds: float) -> Result:
        """What the process reads for a request, in at most `seconds` of its own.

        Raises what reading raises, what a source raises, and HeaderTooCostly, after which the process must be ended.
        """
        name = request.artifact.artifact
        left = seconds
        try:
            self.connection.send(request)
            while True:
                start = time.monotonic()
                if left <= 0 or not self.connection.poll(left):
                    raise HeaderTooCostly(name, f"took longer than {seconds:g} s")
                message = self.connection.recv()
                left -= time.monotonic() - start
                if isinstance(message, Outcome):
                    self.memory_bytes = message.memory_bytes
                    if isinstance(message.result, Exception):
                        raise message.result
                    return message.result
                self._reply(message, open_source, lengths)
        except RecursionError:  # of pickle, which takes fewer levels than JSON
            raise HeaderMalformed(name, 0, "a configuration of few levels", "a great many") from None
        except (EOFError, ConnectionError):
            cost = f"ended the process that read it (status {self.process.wait()})"
            if self.process.returncode == -getattr(signal, "SIGXCPU", 0):
                cost = f"took longer than {seconds:g} s"
            raise HeaderTooCostly(name, cost) from None

    def _reply(
        self, message: OpenFile | ReadRange | FindLengths, open_source: OpenSource, lengths: ArrayLengths
    ) -> None:
        """Replies to the process. Raises what a source raises; the process is told to give the header up."""
        reply: object = None
        try:
            match message:
                case OpenFile(path):
                    reply = state_of(open_source(path))
                case ReadRange(path, start, length):
                    source = open_source(path)
                    reply = source.read(start, length), state_of(source)
                case FindLengths(key, count, digest):
                    reply = tuple(lengths.find(key, count, digest))
        finally:
            self.connection.send(reply)


@dataclass(slots=True)
class HeaderProcesses:
    """The processes that read headers, started as they are needed, at most MAX_PROCESSES at a time.

    `arguments` are those of Python, `seconds` what one header may take.
    """

    arguments: Sequence[str] = ("-m", "crawler.header_process")
    seconds: float = MAX_READ_SECONDS
    idle: list[HeaderProcess] = field(default_factory=list)
    slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(MAX_PROCESSES))

    def read(self, request: Request, open_source: OpenSource, lengths: ArrayLengths) -> Result:
        """What a process reads for a request; see HeaderProcess.read.

        Where no process can be started (Windows can't pass the pipe on), this thread reads, without these limits.
        """
        with self.slots:
            try:
                process = self._take()
            except (OSError, ValueError):
                return request.read(open_source, lengths)
            is_broken = True
            try:
                result = process.read(request, open_source, lengths, self.seconds)
                is_broken = False
                return result
            except Exception as error:
                is_broken = isinstance(error, HeaderTooCostly)
                raise
            finally:
                if is_broken or process.memory_bytes > MAX_IDLE_MEMORY_BYTES:
                    process.end()
                else:
                    self.idle.append(process)

    def _take(self) -> HeaderProcess:
        with suppress(IndexError):
            while True:
                process = self.idle.pop()
                if process.process.poll() is None:
                    return process
                process.end()
        return HeaderProcess.start(self.arguments)

    def end(self) -> None:
        """Ends the processes that are idle."""
        while self.idle:
            self.idle.pop().end()


_processes = HeaderProcesses()
atexit.register(_processes.end)
