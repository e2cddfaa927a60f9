"""A process that reads Parquet files of others: pyarrow ends the whole process where some malformed files are read.

The process knows no token, has limits of memory and of processor time, and may be killed by its reader. It hands on
what it read as Arrow's IPC stream through a pipe, which copies columns without a Python object for each value. Every
way in which it can end becomes ParquetRefused.

Messages are lines of JSON. `{"path": ...}` is answered by `{"names": ...}`; `{"columns": ...}` by `{"more": true}`, a
stream and `{"more": false}`, the stream left out for a file without rows; everything by `{"error": ...}` where it
fails, after the end of the stream where one has begun.
"""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from db.maintain.parquet_pages import ParquetColumns, ParquetRefused, open_parquet
from db.processes import data_bytes, end_with_parent, limit_memory, limit_processor_time

MODULE = "db.maintain.parquet_process"
"""What the process runs."""

MAX_MEMORY_BYTES = 768 * 2**20
"""Memory that the process may take beyond what its modules do; pages of MAX_OPEN_BYTES take three times as much."""

MAX_BATCH_SECONDS = 60
"""Processor time until the next rows. Looking at MAX_PAGES headers takes ten seconds on a slow machine."""

MAX_WAIT_SECONDS = 600.0
"""How long the reader waits for the next bytes, whatever the process does."""

MAX_LINE_BYTES = 2**20
MAX_ERROR_LENGTH = 500


# ---- the reader ------------------------------------------------------------------------------------------------------


class Answers(io.RawIOBase):
    """What the process writes. Raises TimeoutError where nothing comes for MAX_WAIT_SECONDS."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._poll = select.poll() if hasattr(select, "poll") else None  # Windows has none: it waits without a limit
        if self._poll is not None:
            self._poll.register(pipe, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._poll is not None and not self._poll.poll(MAX_WAIT_SECONDS * 1000):
            raise TimeoutError
        data = os.read(self._pipe.fileno(), len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._pipe.close()
        super().close()


class ParquetReader:
    """Reads files in a process that is started for the first one and ends with the reader.

    All methods raise ParquetRefused, also where the process ends; the next file has a new one.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: io.BufferedReader | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kills the process: it has nothing to lose."""
        if self._process is not None and self._answers is not None:
            self._process.kill()
            self._process.wait()
            with suppress(OSError):  # what could not be sent to it
                self._process.stdin.close() if self._process.stdin else None
            self._answers.close()
            self._process = self._answers = None

    def open(self, path: Path) -> RemoteParquet:
        """The file, of which only the metadata was read. Raises OSError where it can't be opened."""
        import pyarrow  # noqa: F401  # ModuleNotFoundError says here what to install

        with path.open("rb"):
            pass
        names = self.ask({"path": str(path.absolute())})["names"]
        return RemoteParquet(self, [str(name) for name in names])

    def ask(self, question: object) -> dict[str, Any]:
        """The answer of the process."""
        if self._process is None:
            self._process = start_process()
            assert self._process.stdout is not None
            self._answers = io.BufferedReader(Answers(self._process.stdout), 2**20)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # what it ended by is found when its answer is read
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        return self.receive()

    def receive(self) -> dict[str, Any]:
        """The next message of the process."""
        assert self._answers is not None
        try:
            answer = json.loads(self._answers.readline(MAX_LINE_BYTES))
        except (ValueError, TimeoutError) as error:
            raise self.gone(error) from None
        if "error" in answer:
            raise ParquetRefused(answer["error"])
        return dict(answer)

    def stream(self) -> Iterator[Any]:
        """The record batches of the stream that the process writes."""
        import pyarrow

        try:
            with pyarrow.ipc.open_stream(self._answers) as stream:
                yield from stream
        except (pyarrow.ArrowException, OSError, EOFError) as error:
            raise self.gone(error) from None

    def gone(self, error: Exception) -> ParquetRefused:
        """What is said of a process that ended, or of one that does not answer, which is killed."""
        assert self._process is not None
        if isinstance(error, TimeoutError):
            self.close()
            return ParquetRefused(f"the process that reads it did not answer for {MAX_WAIT_SECONDS:.0f} s")
        process = self._process
        with suppress(subprocess.TimeoutExpired):  # it has closed its pipe; one that goes on all the same is killed
            process.wait(1)
        self.close()
        return ParquetRefused(f"the process that reads it was ended ({describe_status(process.returncode)})")


@dataclass(frozen=True, slots=True)
class RemoteParquet:
    """A file that a process has open."""

    reader: ParquetReader
    names: Sequence[str]

    def read_batches(self, columns: Sequence[str], max_rows: int, max_row_bytes: int) -> Iterator[Any]:
        """As ParquetColumns.read_batches; its batches are to be read to the end before another file is opened."""
        answer = self.reader.ask({"columns": list(columns), "rows": max_rows, "row_bytes": max_row_bytes})
        if answer["more"]:
            yield from self.reader.stream()
            self.reader.receive()


def start_process() -> subprocess.Popen[bytes]:
    """Raises OSError where the system can start none."""
    kept = {name: value for name, value in os.environ.items() if "TOKEN" not in name and "PASSWORD" not in name}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", MODULE, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what pyarrow says when it ends a process
        start_new_session=True,  # Ctrl-C is for the process that started it
        env={**kept, "ARROW_DEFAULT_MEMORY_POOL": "system"},  # the others reserve memory that they may not use
    )


def describe_status(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


# ---- the process -----------------------------------------------------------------------------------------------------


def serve_requests(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answers until there are no more requests."""
    file: ParquetColumns | None = None
    for line in requests:
        request = json.loads(line)
        limit_processor_time(MAX_BATCH_SECONDS)
        try:
            if file is None or "path" in request:
                file = open_parquet(Path(request["path"]))
                tell(answers, {"names": file.names})
            else:
                write_batches(file, request, answers)
                tell(answers, {"more": False})
        except Exception as error:  # of any type, as the file may be anything
            tell(answers, {"error": describe_error(error)})


def write_batches(file: ParquetColumns, request: dict[str, Any], answers: IO[bytes]) -> None:
    import pyarrow

    batches = file.read_batches(request["columns"], request["rows"], request["row_bytes"])
    if (first := next(batches, None)) is None:
        return
    first.validate(full=True)
    tell(answers, {"more": True})
    with pyarrow.ipc.new_stream(answers, first.schema) as stream:
        for batch in chain((first,), batches):
            batch.validate(full=True)  # texts in UTF-8, places within dictionaries
            stream.write_batch(batch)
            answers.flush()
            limit_processor_time(MAX_BATCH_SECONDS)
    answers.flush()


def tell(answers: IO[bytes], message: object) -> None:
    answers.write(json.dumps(message).encode() + b"\n")
    answers.flush()


def describe_error(error: Exception) -> str:
    text = " ".join(str(error).split())[:MAX_ERROR_LENGTH]
    if isinstance(error, ParquetRefused):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def main() -> None:
    """What the process does; its argument is the id of the one that started it."""
    import pyarrow.compute
    import pyarrow.parquet

    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    threading.Thread(target=end_with_parent, args=(int(sys.argv[1]),), daemon=True).start()
    limit_memory(data_bytes() + MAX_MEMORY_BYTES)
    serve_requests(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
