"""SQL that would run for hours, fill the memory or the disk, or do more than read: `query` on a SQLite catalog."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.query import guarded
from analysis.query.guarded import QueryProcess, run_guarded
from analysis.query.process import ProcessLimits, QueryRequest
from analysis.query.reader import run_query
from analysis.units import MIB
from db.errors import QueryError, QueryRefused, QueryTimeout, QueryTooCostly
from tests.security.processes import MAX_WAIT_SECONDS, children, is_running, needs_proc, wait_until

PROGRAM = str(Path(sys.executable).with_name("hf-catalog"))
ENDLESS_FUNCTION = "select instr(printf('%*d', 4000000, 1), printf('%*d', 2000000, 2))"
"""One call of a function that takes SQLite minutes, and that it can't interrupt."""

COUNT = "with recursive n (i) as (select 1 union all select i + 1 from n) "
"""Every whole number."""

OUTLAST = {
    "instr": ENDLESS_FUNCTION,
    "instr in a sort": f"{COUNT} select i from n order by ({ENDLESS_FUNCTION})",
    "replace": "select length(replace(printf('%*d', 2000000, 1), printf('%*d', 1000000, 2), ''))",
    "a recursion": f"{COUNT} select count(*) from n",
    "a recursion whose rows are thrown away": f"{COUNT} select i from n where i < 0",
    "a join without a condition": "select count(*) from sqlite_master a, sqlite_master b, sqlite_master c,"
    " sqlite_master d, sqlite_master e, sqlite_master f, sqlite_master g",
    "distinct values": f"{COUNT} select count(distinct i) from n",
    "groups": f"{COUNT} select i, count(*) from n group by i",
}


@pytest.mark.parametrize("sql", OUTLAST.values(), ids=OUTLAST)
def test_a_statement_ends_at_its_deadline(sql: str, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "KILL_SECONDS", 0.2)
    with pytest.raises(QueryTimeout), run_query(small, sql, timeout=0.3) as rows:
        list(rows)


SMALL_LIMITS = ProcessLimits(heap=48 * MIB, memory=160 * MIB, temporary_file=4 * MIB)
LONG = "printf('%.*c', 3000000, 'a')"
TOO_COSTLY = {
    "a long aggregate": f"{COUNT} select group_concat(printf('%.*c', 10000, 'a')) from (select i from n limit 1000)",
    "a long JSON array": f"{COUNT} select json_group_array(printf('%.*c', 10000, 'a')) from n",
    "a long JSON object": f"{COUNT} select json_group_object(i, printf('%.*c', 10000, 'a')) from n",
    "a long replacement": f"select replace({LONG}, 'a', 'aa')",
    "long hexadecimals": f"select hex({LONG})",
    "long quotes": f"select quote(replace({LONG}, 'a', ''''))",
    "two long values joined": f"select {LONG} || {LONG}",
    "many long values": "select " + ", ".join(f"{LONG} as c{at}" for at in range(100)),
    "a large sort": f"{COUNT} select i, printf('%.*c', 10000, 'a') as x from n order by x, i desc",
    "a large table of a CTE": f"{COUNT}, m as materialized (select i, printf('%.*c', 10000, i) as x from n)"
    " select count(*) from m a join m b using (x)",
    "distinct long values": f"{COUNT} select distinct printf('%.*c', 10000, 'a') || i from n",
}


@pytest.mark.parametrize("sql", TOO_COSTLY.values(), ids=TOO_COSTLY)
def test_a_statement_gets_little_memory_and_little_disk(sql: str, small: str) -> None:
    with (
        pytest.raises(QueryTooCostly),
        run_guarded(Path(small), QueryRequest(sql, {}, seconds=120), SMALL_LIMITS) as rows,
    ):
        for _ in rows:
            pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the process is a fork")
def test_what_a_fork_has_from_its_parent_does_not_count(small: str) -> None:
    """A process with 700 MB of data, which is never touched, asks; the standard limit is 640 MiB."""
    held = bytearray(700 * MIB)
    process = QueryProcess.fork(Path(small), ProcessLimits())
    try:
        with process.run(QueryRequest(f"select length({LONG}) as length", {})) as rows:
            assert [tuple(row) for row in rows] == [(3_000_000,)]
    finally:
        process.end()
    assert len(held) == 700 * MIB


REFUSED = {
    "attach": "attach database ':memory:' as x",
    "attach by an expression": "attach database (select 'x.db') as x",
    "vacuum into a file": "vacuum into '/tmp/stolen.db'",
    "detach": "detach database main",
    "an extension": "select load_extension('/tmp/x.so')",
    "files": "select writefile('/tmp/x', 'y')",
    "a random blob": "select randomblob(1000000000)",
    "zeros": "select zeroblob(1000000000)",
    "the path of the file": "pragma database_list",
    "the path of the file, as a table": "select file from pragma_database_list",
    "another folder for temporary files": "pragma temp_store_directory = '/tmp'",
    "less safety": "pragma writable_schema = on",
    "a larger heap": "pragma hard_heap_limit = 0",
    "writing": "insert into crawl_runs (id) values (1)",
    "a write in a CTE": "with x as (select 1) delete from repos",
    "a temporary table": "create temp table x as select 1",
    "a transaction": "begin immediate",
    "two statements": "select 1; delete from repos",
    "another index": "reindex repos",
    "statistics": "analyze repos",
}


@pytest.mark.parametrize("sql", REFUSED.values(), ids=REFUSED)
def test_a_statement_only_reads_the_catalog(sql: str, small: str) -> None:
    with pytest.raises((QueryRefused, QueryError)), run_query(small, sql) as rows:
        list(rows)


@pytest.mark.parametrize(
    "sql",
    [
        f"select 1 where 'a' like '{'%a' * 600}'",
        f"select 1 where 'a' glob '{'*a' * 600}'",
        f"select 1{'+ 1' * 600}",
        f"select '{'a' * 300_000}'",
    ],
    ids=["like", "glob", "depth", "length"],
)
def test_patterns_and_statements_have_a_length(sql: str, small: str) -> None:
    with pytest.raises(QueryError, match=r"too|large|long|complex"):
        run_query(small, sql)


def test_a_result_has_a_size_where_one_is_set(small: str) -> None:
    sql = f"{COUNT} select i, printf('%.*c', 100000, 'a') from n limit 100"
    with run_guarded(Path(small), QueryRequest(sql, {}, max_bytes=20 * MIB)) as rows:
        assert len(list(rows)) == 100
    with (
        pytest.raises(QueryTooCostly, match="more than 5 MiB"),
        run_guarded(Path(small), QueryRequest(sql, {}, max_bytes=5 * MIB)) as rows,
    ):
        list(rows)


# ---- the command, as a process ---------------------------------------------------------------------------------------


def started(db: str, *words: str) -> subprocess.Popen[bytes]:
    command = [PROGRAM, "query", "--db", db, *words]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job's child ignores it
    )


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_signal_ends_a_query_and_its_process(number: signal.Signals, small: str) -> None:
    process = started(small, ENDLESS_FUNCTION)
    wait_until(lambda: children(process.pid))
    (child,) = children(process.pid)
    process.send_signal(number)
    process.communicate(timeout=MAX_WAIT_SECONDS)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    wait_until(lambda: not is_running(child))


def test_the_error_names_the_limit_and_the_way_out(small: str) -> None:
    process = started(small, "--timeout", "0.2s", ENDLESS_FUNCTION)
    _, told = process.communicate(timeout=MAX_WAIT_SECONDS)
    assert process.returncode == 1
    assert told.decode().splitlines() == [
        "Error: the query ran for more than 0.2 s and was stopped",
        "Hint: narrow it, or raise --timeout",
    ]


FORMS = ("--json", "--nl", "--csv", "--table", "-q")
PEAKS = """
import json, os, sys
from crawler.cli import cli
from crawler.cli.errors import run_command
unit = 1 if sys.platform == "darwin" else 1024

def run(words):
    child = os.fork()
    if child == 0:
        os._exit(run_command(lambda: cli.main(words, standalone_mode=False), words))
    _, status, usage = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss * unit

few, many = json.loads(sys.argv[1])
forms = json.loads(sys.argv[2])
stdout = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
for form in forms:  # what forks share need not be imported by each
    run_command(lambda: cli.main([*sys.argv[3:], "select 1", form], standalone_mode=False), [])
answers = {form: [run([*sys.argv[3:], sql, form]) for sql in (few, many)] for form in forms}
os.dup2(stdout, 1)
print(json.dumps(answers))
"""
"""Prints the exit status and the memory of two statements in each form of output."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs the forms in forks")
def test_large_rows_stream_in_every_form(small: str) -> None:
    """Forty rows take the memory of four: a process that holds more than a few of them would be noticed."""
    rows = f"{COUNT} select printf('%.*c', 500000, 'a') as long, i from n limit"
    statements = json.dumps([f"{rows} 4", f"{rows} 40"])
    done = subprocess.run(
        [sys.executable, "-c", PEAKS, statements, json.dumps(FORMS), "query", "--db", small],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = json.loads(done.stdout)
    assert set(answers) == set(FORMS)
    for form, ((first, few), (second, many)) in answers.items():
        assert first == second == 0, (form, done.stderr)
        assert many - few < 6 * MIB, form
