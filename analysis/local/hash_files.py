"""Hashes files at the disk's speed: several at a time, each once, and each result kept as soon as it is known."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from analysis.local.hash_cache import HashCache
from analysis.local.records import LocalFile, ScanProblem

BUFFER_BYTES = 1 << 20
"""Read at once: large enough that hashlib works without Python's lock, small enough for the processor's cache."""

MAX_THREADS = 8

Advance = Callable[[int], None]
"""Called with the bytes that were read since the last call, from any thread."""


class Interrupted(Exception):
    """Hashing was ended before this file was done."""


def hash_files(
    files: Iterable[LocalFile], cache: HashCache, advance: Advance = lambda count: None, threads: int | None = None
) -> tuple[dict[tuple[int, int], str], list[ScanProblem]]:
    """The sha256 of files by their identity on disk, and those that could not be read.

    Largest first, so that the threads end together. When it is interrupted (KeyboardInterrupt), what is done stays in
    the cache.
    """
    wanted = {file.identity: file for file in files}
    known = cache.find(wanted.values())
    found = {identity: known[file.path] for identity, file in wanted.items() if file.path in known}
    for identity in found:
        advance(wanted[identity].size)
    rest = sorted((file for key, file in wanted.items() if key not in found), key=lambda file: -file.size)
    problems: list[ScanProblem] = []
    stop = threading.Event()
    pool = ThreadPoolExecutor(threads or min(MAX_THREADS, os.cpu_count() or 1), "hash")
    running: dict[Future[str], LocalFile] = {}
    try:
        running = {pool.submit(hash_file, file, stop, advance): file for file in rest}
        for future in as_completed(running):
            file = running[future]
            try:
                found[file.identity] = future.result()
            except OSError as error:
                problems.append(ScanProblem(file.shown, error.strerror or "can't be read"))
            else:
                cache.save(file, found[file.identity])
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
    return found, problems


def hash_file(file: LocalFile, stop: threading.Event, advance: Advance) -> str:
    """The sha256 of a file's content. Raises OSError, also where it changed meanwhile, and Interrupted."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(BUFFER_BYTES))
    with open(file.path, "rb", buffering=0, opener=open_regular) as stream:
        while length := stream.readinto(buffer):
            if stop.is_set():
                raise Interrupted
            digest.update(buffer[:length])
            advance(length)
        status = os.fstat(stream.fileno())
    if (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
        raise OSError(0, "it changed while it was read")
    return digest.hexdigest()


def open_regular(path: str, flags: int) -> int:
    """Opens without waiting for a writer, should the file have become a pipe, and tells the system how it is read."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    return descriptor
