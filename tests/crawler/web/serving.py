"""`hf-catalog serve` as a user runs it: a process of its own on a free port."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("hf-catalog")


@contextmanager
def serving(db: str) -> Iterator[str]:
    """The address of a server; ended as a terminal would, which is no failure."""
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", "0", "--db", db], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        address = re.match(r"(http://\S+)/  ", said)
        assert address, said + process.stderr.read()
        yield address[1]
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (0, ""), err
    assert "Traceback" not in err, err
