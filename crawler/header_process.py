"""The process that reads headers: it can be killed, and has a limit of memory and of processor time.

It knows neither the Hub's token nor the network: it asks for bytes over a pipe, and the thread that waits for the
header (crawler/read_headers.py) fetches them. Requests, pacing and retries stay where they are. It ends with the
process that started it: the pipe closes, or, while it computes, it sees that its parent is gone.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from analysis.errors import HeaderError, HeaderTooCostly
from analysis.formats import readers
from analysis.formats.array_lengths import ArrayLengths, SkipLength
from analysis.formats.pickle_files import read_pickle_header
from analysis.formats.source import ByteSource
from analysis.units import MIB
from db.processes import end_with_parent, limit_memory, limit_processor_time, resident_bytes
from db.record_base import Json
from db.records import ArrayLength, ArtifactRecord, Header

MAX_READ_SECONDS = 20.0
"""Seconds that a process may take for one header, without those in which it waits for bytes. The largest valid ones
take six on a slow machine."""

MAX_READ_MEMORY_BYTES = 768 * MIB
"""Memory of a process. The largest valid headers take 300 MB, of 600,000 tensors."""

Result = tuple[Header, tuple[ArrayLength, ...]]
OpenSource = Callable[[str], ByteSource]


# ---- Messages --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ArtifactRequest:
    """To the process: read the header of an artifact from its files."""

    artifact: ArtifactRecord
    sizes: Mapping[str, int | None]
    config: Json
    base_parameters: int | None

    def read(self, open_source: OpenSource, lengths: ArrayLengths) -> Result:
        return readers.read_artifact(
            self.artifact,
            self.sizes,
            open_source,
            array_lengths=lengths,
            config=self.config,
            base_parameters=self.base_parameters,
        )


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """To the process: read the header of a sharded artifact from an answer of the Hub."""

    payload: Json
    artifact: ArtifactRecord
    sizes: Mapping[str, int | None]
    config: Json

    def read(self, open_source: OpenSource, lengths: ArrayLengths) -> Result:
        return readers.read_answer(self.payload, self.artifact, self.sizes, self.config), ()


@dataclass(frozen=True, slots=True)
class PickleRequest:
    """To the process: read what the pickles of an artifact would import."""

    artifact: ArtifactRecord
    sizes: Mapping[str, int | None]

    def read(self, open_source: OpenSource, lengths: ArrayLengths) -> Result:
        return read_pickle_header(self.artifact, self.sizes, open_source), ()


Request = ArtifactRequest | AnswerRequest | PickleRequest


@dataclass(frozen=True, slots=True)
class SourceState:
    """A file's name, its size, and what was read of it so far."""

    name: str
    size: int | None
    requests: int
    bytes_read: int


@dataclass(frozen=True, slots=True)
class OpenFile:
    """From the process: open a file. The reply is its SourceState."""

    path: str


@dataclass(frozen=True, slots=True)
class ReadRange:
    """From the process: read a range of an opened file. The reply is the bytes and the file's SourceState."""

    path: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class FindLengths:
    """From the process: the known lengths of an array. The reply is a tuple of SkipLength."""

    key: str
    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """From the process: the header with the array lengths it taught, or the error; and the memory of the process."""

    result: Result | Exception
    memory_bytes: int


# ---- Reading, in the process -----------------------------------------------------------------------------------------


class ReadAbandoned(Exception):
    """The other process does not want the header any more."""


@dataclass(slots=True)
class Asker:
    """Asks the process that wants the header."""

    connection: Connection[Any, Any]

    def ask(self, message: OpenFile | ReadRange | FindLengths) -> Any:
        self.connection.send(message)
        reply = self.connection.recv()
        if reply is None:
            raise ReadAbandoned
        return reply


class RemoteSource:
    """A file that the other process reads."""

    def __init__(self, asker: Asker, path: str) -> None:
        self._asker = asker
        self._path = path
        self._set(asker.ask(OpenFile(path)))

    def _set(self, state: SourceState) -> None:
        self.name, self.size = state.name, state.size
        self.requests, self.bytes_read = state.requests, state.bytes_read

    def read(self, start: int, length: int) -> bytes:
        data: bytes
        data, state = self._asker.ask(ReadRange(self._path, start, length))
        self._set(state)
        return data


class RemoteLengths(ArrayLengths):
    """The array lengths that the other process knows."""

    def __init__(self, asker: Asker) -> None:
        super().__init__()
        self._asker = asker

    def find(self, key: str, count: int, first: str) -> Iterator[SkipLength]:
        return iter(self._asker.ask(FindLengths(key, count, first)))


def read_request(connection: Connection[Any, Any], request: Request) -> Result | Exception:
    """The result of a request, or the error that it ends in. Raises ReadAbandoned."""
    asker = Asker(connection)
    try:
        return request.read(lambda path: RemoteSource(asker, path), RemoteLengths(asker))
    except HeaderError as error:
        return error
    except MemoryError:
        cost = f"took more than {MAX_READ_MEMORY_BYTES // MIB} MiB of memory"
        return HeaderTooCostly(request.artifact.artifact, cost)
    except (ReadAbandoned, EOFError, OSError):
        raise
    except Exception as error:  # of any type, whose text alone can be sent for sure
        return RuntimeError(f"{type(error).__name__}: {str(error)[:200]}")


def serve_requests(connection: Connection[Any, Any], parent: int, seconds: float = MAX_READ_SECONDS) -> None:
    """Reads the header of each request that arrives, until the other end is closed or the process `parent` is gone."""
    limit_memory(MAX_READ_MEMORY_BYTES)
    threading.Thread(target=end_with_parent, args=(parent,), daemon=True).start()
    gc.disable()  # readers make many objects and no cycle
    with suppress(EOFError, OSError):
        connection.send_bytes(b"ready")
        while True:
            request = connection.recv()
            limit_processor_time(seconds)  # also enforced by the other process, which may be killed before
            with suppress(ReadAbandoned):
                result = read_request(connection, request)
                connection.send(Outcome(result, resident_bytes()))
                del result
            del request
            gc.collect()


if __name__ == "__main__":
    from crawler import header_process  # not __main__: its classes must be those that the other process unpickles

    header_process.serve_requests(Connection(int(sys.argv[1])), int(sys.argv[2]))
