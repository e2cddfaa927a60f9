"""Attacks by SQL on a PostgreSQL catalog: as a role that may only read, and as a superuser that was allowed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analysis.query import watch
from analysis.query.reader import run_query
from db.errors import CatalogError, PrivilegedRole, QueryError, QueryRefused, QueryTimeout, QueryTooCostly
from db.maintain.grant_reader import grant_reader
from tests.crawler.cli.conftest import Ask, hf_catalog
from tests.environment import user_environment
from tests.security.costs import read_peak, reset_peak
from tests.servers import PostgreSQL, database_of

__all__ = ["hf_catalog"]

PROGRAM = str(Path(sys.executable).with_name("hf-catalog"))

TRACE = """
    select (select count(*) from tags), (select count(*) from pg_largeobject_metadata),
           (select count(*) from pg_locks where locktype = 'advisory'), (select last_value from serial_id_seq),
           (select count(*) from pg_class where relname in ('made', 'part')), pg_notification_queue_usage(),
           (select count(*) from pg_stat_activity where application_name = 'victim')
"""
"""What an attack that succeeds changes; `victim` is a session as a crawl has one."""


@dataclass(frozen=True)
class Target:
    """A catalog with functions of its owner, and its URLs for a reader and for a superuser."""

    server: PostgreSQL
    database: str
    reader: str
    superuser: str
    watcher: Any

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What an onlooker sees, whose connection stays."""
        rows: list[tuple[Any, ...]] = self.watcher.execute(sql).fetchall()
        return rows


@pytest.fixture(scope="module")
def target(postgresql: PostgreSQL) -> Iterator[Target]:
    psycopg = pytest.importorskip("psycopg")
    url = postgresql.create("catalog_template")
    database = database_of(url)
    for statement in (
        "create extension dblink",
        "insert into tags (id, tag) values (1, 'kept')",
        "create table serial (id bigserial)",
        "grant usage, update on sequence serial_id_seq to public",
        "create function harm() returns int language sql security definer as 'delete from tags returning 1'",
        "create function doubled(int) returns int language sql stable as 'select 2 * $1'",
        "create function stubborn() returns int language plpgsql stable as $$ begin loop begin perform pg_sleep(60);"
        " exception when query_canceled then null; end; end loop; end $$",
    ):
        postgresql.execute(statement, database)
    where = f"host={postgresql.folder} user=postgres dbname={database} application_name="
    with psycopg.connect(where + "victim"), psycopg.connect(where + "watcher", autocommit=True) as watcher:
        yield Target(postgresql, database, postgresql.reader_url(url), url, watcher)


WRITES = [
    "delete from tags",
    "set transaction read write; delete from tags; commit",
    "select 1; delete from tags",
    "commit; delete from tags",
    "with gone as (delete from tags returning 1) select * from gone",
    "with x as (select 1) delete from tags",
    "explain analyze delete from tags",
    "do $$ begin delete from tags; end $$",
    "do $$ begin set transaction read write; delete from tags; end $$",
    "create table made (x int)",
    "create temp table made as select 1",
    "select * into made from tags",
    "explain analyze create table made as select 1",
    "truncate tags",
    "select * from tags for update",
    "lock table tags",
    "select nextval('serial_id_seq')",
    "select setval('serial_id_seq', 99)",
    "select harm()",
    "select * from harm() as h",
    "select query_to_xml('delete from tags returning 1', true, true, '')",
    "prepare p as delete from tags",
    "declare c cursor with hold for select 1",
]
SESSION = [
    "set statement_timeout = 0",
    "set default_transaction_read_only = off",
    "reset role",
    "set session authorization default",
    "select set_config('transaction_read_only', 'off', true)",
    "select set_config('statement_timeout', '0', false)",
    "select set_config('role', 'postgres', true), query_to_xml('select pg_read_file(''/etc/passwd'')', true, true, '')",
    "discard all",
]
OTHER_SESSIONS = [
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'",
    "select pg_cancel_backend(pid) from pg_stat_activity",
    "select pg_advisory_lock(1)",
    "select pg_advisory_unlock_all()",
    "select pg_stat_reset()",
    "select pg_try_advisory_xact_lock(hashtext('hf-catalog migrate'))",
    "select count(*) from tags where pg_try_advisory_lock_shared(id)",
    "listen made",
    "notify made, 'x'",
    "select pg_notify('made', 'x')",
    "select pg_logical_emit_message(false, 'x', 'x')",
    "select pg_export_snapshot()",
    "select * from dblink('dbname=postgres', 'select 1') as t (x int)",
    "select dblink_connect('dbname=postgres')",
    "select dblink_exec('dbname=postgres', 'create table made (x int)')",
]
SERVER = [
    "copy tags to program 'touch /tmp/made'",
    "copy (select 1) to '/tmp/made'",
    "copy tags from program 'id'",
    "select pg_read_file('/etc/passwd')",
    "select pg_read_binary_file('/etc/passwd')",
    "select * from pg_ls_dir('/')",
    "select * from rows from (pg_ls_dir('/'), pg_ls_dir('/etc')) as t",
    "select (pg_stat_file('/etc/passwd')).size",
    "select lo_import('/etc/passwd')",
    "select lo_create(0)",
    "select lo_unlink(1), lo_export(1, '/tmp/made')",
    "select lo_from_bytea(0, 'x')",
    "select ts_stat('select pg_read_file(''/etc/passwd'')::tsvector')",
    "select table_to_xml('pg_authid', true, true, '')",
    "select rolpassword from pg_authid",
    "table pg_shadow",
    "select * from pg_hba_file_rules",
    "select pg_reload_conf()",
    "load '/tmp/made.so'",
    "alter system set archive_command = 'id'",
]
HIDDEN_CALLS = [
    "select ('/etc/passwd'::text).pg_read_file",
    "select (1::bigint).pg_advisory_lock",
    'select "pg_advisory_lock"(1)',
    'select U&"pg\\005fadvisory_lock"(1)',
    "select PG_Advisory_Lock /* ( */ (1)",
    "select pg_catalog . pg_advisory_lock -- (\n (1)",
    "explain analyze select pg_advisory_lock(1)",
    "select 1 -- \r, pg_advisory_lock(1)",
    "select E'a'\n'b\\'', pg_advisory_lock(1) --'",
    "select 1E'\\'', pg_advisory_lock(1) --'",
    "select 1$$ ' $$, pg_advisory_lock(1), ' '",
    "select 1 /* /* */ ' */, pg_advisory_lock(1) --'",
    "select 1 as a$$, pg_advisory_lock(1) as b$$",
]
ATTACKS = [*WRITES, *SESSION, *OTHER_SESSIONS, *SERVER, *HIDDEN_CALLS]


@pytest.mark.parametrize("sql", ATTACKS)
@pytest.mark.parametrize("role", ["reader", "superuser"])
def test_an_attack_is_refused_and_changes_nothing(role: str, sql: str, target: Target) -> None:
    before, made = target.rows(TRACE), target.server.folder / "made"  # a folder that the server may write to
    sql = sql.replace("/tmp/made", str(made))
    is_superuser = role == "superuser"
    with (
        pytest.raises(QueryError) as refused,
        run_query(target.superuser if is_superuser else target.reader, sql, any_role=is_superuser) as rows,
    ):
        list(rows)
    assert not isinstance(refused.value, QueryTimeout)
    assert target.rows(TRACE) == before
    assert not made.exists()


def test_a_parameter_without_a_value_is_an_error_of_the_query(target: Target) -> None:
    with pytest.raises(QueryError, match="parameters"), run_query(target.reader, "select $1::int") as rows:
        list(rows)


@pytest.mark.parametrize("sql", ["select current_user::text", "select current_setting('is_superuser')"])
def test_an_allowed_superuser_becomes_a_role_that_only_reads(sql: str, target: Target) -> None:
    with run_query(target.superuser, sql, any_role=True) as rows:
        assert list(rows) in ([("pg_read_all_data",)], [("off",)])


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select ':word 100% ?', '%s', '%(x)s', '{}'", (":word 100% ?", "%s", "%(x)s", "{}")),
        ("select $$it's :word %$$, $a$ $$ $a$", ("it's :word %", " $$ ")),
        ("select '4'::int % 3, -- :word\n '{\"a\": 1}'::jsonb ? 'a' /* :b /* :c */ ? */", (1, True)),
        ("select (array[1, 2, 3])[2:3]", ([2, 3],)),
        ("select 'pg_read_file(1)', 1 as pg_sleep", ("pg_read_file(1)", 1)),
        ("select doubled(4), public.doubled(5), lower('A')", (8, 10, "a")),
        ("select random() < 2, clock_timestamp() > now() - interval '1 day', pg_sleep(0)::text", (True, True, "")),
        ("(select 1) union all (select 2) limit 1;", (1,)),
        ("values (1, 'a')", (1, "a")),
        ("show standard_conforming_strings", ("on",)),
        ("table tags", (1, "kept")),
        ("-- a comment first\nwith x as (select 3 as n) select n from x", (3,)),
        ("select 1, 2 as one, 3 as one; -- the end\n /* of it */", (1, 2, 3)),
        ("select r, 2 as s from (select 1 as r) s order by r desc", (1, 2)),
        ("select length(repeat('x', 40000000))", (40_000_000,)),
        ("select length(repeat('x', 16000000)), repeat('x', 3)", (16_000_000, "xxx")),
        ("select n.tag, t.id from tags t join tags n on n.id = t.id", ("kept", 1)),
    ],
)
def test_sql_that_reads_is_passed_as_it_is(sql: str, expected: tuple[Any, ...], target: Target) -> None:
    with run_query(target.reader, sql) as rows:
        assert list(rows) == [expected]


def test_explain_shows_a_plan(target: Target) -> None:
    with run_query(target.reader, "explain (costs off) select :n from tags", {"n": "1"}) as rows:
        assert list(rows) == [("Seq Scan on tags",)]


# ---- the deadline -----------------------------------------------------------------------------------------------


ENDLESS = [
    "select pg_sleep(3600)",
    "select generate_series(1, 9000000000000000)",
    "select count(*) from generate_series(1, 9000000000000000)",
    "with recursive n (i) as (select 1 union all select i + 0 from n) select i from n",
]


def wait_for(is_done: Callable[[], bool]) -> None:
    """Waits for an event that must come."""
    while not is_done():
        time.sleep(0.05)


def running(target: Target) -> int:
    """How many sessions compute a query that takes its time."""
    sql = "select count(*) from pg_stat_activity where state = 'active' and datname = current_database()"
    return int(target.rows(sql)[0][0]) - 1


@pytest.mark.parametrize("sql", ENDLESS)
def test_a_query_ends_at_its_deadline_also_while_it_sends_rows(sql: str, target: Target) -> None:
    with pytest.raises(QueryTimeout), run_query(target.reader, sql, timeout=0.5) as rows:
        for _ in rows:
            pass
    wait_for(lambda: running(target) == 0)


def test_a_function_that_ignores_requests_to_end_loses_its_connection(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "GIVE_UP_SECONDS", 1.0)
    with pytest.raises(QueryTimeout), run_query(target.reader, "select stubborn()", timeout=0.5) as rows:
        list(rows)
    wait_for(lambda: running(target) == 0)


def test_rows_that_are_not_read_end_with_the_result(target: Target) -> None:
    with run_query(target.reader, ENDLESS[1], timeout=None) as rows:
        assert next(iter(rows)) == (1,)
    wait_for(lambda: running(target) == 0)


def test_a_query_ends_with_the_process_that_wants_it(target: Target) -> None:
    command = [PROGRAM, "query", ENDLESS[2], "--db", target.reader]
    with subprocess.Popen(command, env=user_environment(), stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: running(target) == 1)
        process.send_signal(signal.SIGKILL)
        wait_for(lambda: running(target) == 0)


def test_memory_holds_one_row_at_a_time(target: Target) -> None:
    size, count = 2_000_000, 40
    tracemalloc.start()
    with run_query(target.reader, f"select repeat('x', {size}) from generate_series(1, {count})") as rows:
        assert sum(len(row[0]) for row in rows) == size * count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * size


LARGE_ROWS = {
    "a value": "select 1, repeat('x', 40000000)",
    "a value of 100 MB": "select repeat('x', 100000000)",
    "values together": "select repeat('x', 9000000), repeat('y', 9000000)",
    "a list": "select array_agg(i) from generate_series(1, 4000000) i",
    "JSON": "select jsonb_agg(i) from generate_series(1, 4000000) i",
    "numbers of few bytes": "select array_agg('1e100000'::numeric) from generate_series(1, 200)",
    "a row of rows": "select t, t, t, t, t from (select repeat('x', 4000000)) t",
    "a value under the name of the guard's": "select r, r as s, 2 as r from (select repeat('x', 20000000)) r",
    "a value after a comment": "select repeat('x', 40000000) -- ) r; select 1",
    "the second row": "select repeat('x', 39999999 * (i - 1)) from generate_series(1, 2) i",
}


@pytest.mark.parametrize("sql", LARGE_ROWS.values(), ids=LARGE_ROWS)
def test_a_row_that_is_too_large_is_not_received(sql: str, target: Target) -> None:
    before = reset_peak()
    with pytest.raises(QueryTooCostly), run_query(target.reader, sql) as rows:
        list(rows)
    assert read_peak() - before < 20_000_000


@pytest.mark.parametrize(
    "sql",
    [
        "explain select 1 from tags where tag = repeat('x', 300000000)",
        "explain (verbose, format json) select repeat('x', 300000000) from tags",
    ],
)
def test_a_constant_that_the_planner_computed_is_not_received_as_a_whole(sql: str, target: Target) -> None:
    before = reset_peak()
    with pytest.raises(QueryTooCostly, match="a row takes more than 64 MiB"), run_query(target.reader, sql) as rows:
        list(rows)
    assert read_peak() - before < 200_000_000
    with run_query(target.reader, "explain select 1 from tags where tag = repeat('x', 1000000)") as rows:
        assert any(len(line) > 1_000_000 for (line,) in rows)


def test_the_error_for_a_row_that_is_too_large_names_its_size(target: Target) -> None:
    sql = "select repeat('x', 30000000)"
    with pytest.raises(QueryTooCostly, match="a row has 28 MiB; at most 16"), run_query(target.reader, sql) as rows:
        list(rows)


def test_a_limit_reads_no_more_rows_than_it_prints(target: Target) -> None:
    with run_query(target.reader, "select 1 / (4 - i) from generate_series(1, 9) i", limit=2) as rows:
        assert list(rows) == [(0,), (0,)]
        assert rows.truncated


# ---- roles ------------------------------------------------------------------------------------------------------


ROLES = {
    "super": ("superuser", "is a superuser"),
    "climber": ("noinherit in role super", "is a superuser"),
    "creator": ("createrole", "may create roles"),
    "founder": ("createdb", "may create databases"),
    "copier": ("replication", "may replicate"),
    "programs": ("in role pg_execute_server_program", "is a member of pg_execute_server_program"),
    "files": ("in role pg_read_server_files", "is a member of pg_read_server_files"),
    "signals": ("noinherit in role pg_signal_backend", "is a member of pg_signal_backend"),
    "writer": ("in role pg_write_all_data", "is a member of pg_write_all_data"),
}


def make_role(target: Target, name: str, options: str) -> None:
    """Makes a role; the server has it where a process enters this module again."""
    created = f"create role {name} {options}"
    target.server.execute(f"do $$ begin {created}; exception when duplicate_object then null; end $$")


@pytest.fixture(scope="module")
def roles(target: Target) -> Target:
    options = {role: options for role, (options, _) in ROLES.items()}
    for role, more in (options | dict.fromkeys(("owner", "editor", "lister"), "")).items():
        make_role(target, role, f"login {more}")
    for statement in (
        "create table owned_by_owner (x int)",
        "alter table owned_by_owner owner to owner",
        "grant update on tags to editor",
        f"grant create on database {target.database} to lister",
        "grant select on alembic_version to public",
    ):
        target.server.execute(statement, target.database)
    return target


@pytest.mark.parametrize(
    ("role", "right"),
    [
        *((role, right) for role, (_, right) in ROLES.items()),
        ("owner", "owns owned_by_owner and others"),
        ("editor", "may write to tags"),
        ("lister", "may create schemas in the database"),
    ],
)
def test_a_role_that_may_do_more_than_read_is_refused_by_name(role: str, right: str, roles: Target) -> None:
    url = roles.superuser.replace("//postgres@", f"//{role}@")
    with pytest.raises(PrivilegedRole, match=f"the role {role} of .* {right}"):
        run_query(url, "select 1")
    with run_query(url, "select 1", any_role=True) as rows:
        assert list(rows) == [(1,)]


def test_saved_queries_need_such_a_role_too(target: Target) -> None:
    with pytest.raises(PrivilegedRole):
        run_query(target.superuser, "top-families")
    with run_query(target.reader, "top-families") as rows:
        assert list(rows) == []


def test_the_command_refuses_a_superuser_and_says_what_to_do(target: Target, hf_catalog: Ask) -> None:
    words = ("query", "select 1 as one", "--csv", "--db", target.superuser)
    refused = hf_catalog(*words)
    assert refused.status == 3 and "is a superuser" in refused.err
    assert "db grant-reader" in refused.err and "--allow-privileged-role" in refused.err
    allowed = hf_catalog(*words, "--allow-privileged-role")
    assert (allowed.status, allowed.out) == (0, "one\n1\n")


# ---- making a reader --------------------------------------------------------------------------------------------


def test_a_reader_reads_the_catalog_and_nothing_else_also_after_an_upgrade(target: Target) -> None:
    import psycopg
    from sqlalchemy import create_engine

    from db.schema.views import create_views, drop_views

    others = "create role neighbour; grant create on schema public to neighbour; set role neighbour"
    target.server.execute(f"{others}; create table diary (secret text)", target.database)
    made = grant_reader(target.superuser, "reader", apply=True)
    assert made.applied and not any(statement.startswith("create role") for statement in made.statements)
    engine = create_engine(target.superuser)
    with engine.begin() as connection:
        drop_views(connection)
        create_views(connection)
    engine.dispose()
    with run_query(target.reader, "select count(*) from models") as rows:
        assert list(rows) == [(0,)]
    with pytest.raises(QueryRefused, match="diary"):
        run_query(target.reader, "select * from diary")
    with psycopg.connect(target.reader.replace("+psycopg", ""), autocommit=True) as connection:
        assert connection.execute("show default_transaction_read_only").fetchone() == ("on",)
        connection.execute("set default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from tags")


def test_the_printed_statements_make_the_role(target: Target, hf_catalog: Ask) -> None:
    printed = hf_catalog("db", "grant-reader", 'of "them"', "--db", target.superuser).out
    assert printed.startswith('create role "of ""them""" login connection limit 20;\n')
    target.server.execute(printed, target.database)
    url = target.superuser.replace("//postgres@", "//of%20%22them%22@")
    with run_query(url, "select count(*) from models") as rows:
        assert list(rows) == [(0,)]


def test_temporary_files_are_limited_by_who_may(roles: Target) -> None:
    limit = "alter role \"new\" set temp_file_limit = '10GB'"
    made = grant_reader(roles.superuser, "new", apply=False)
    assert limit in made.statements and made.for_administrator == ()
    make_role(roles, "maker", "login createrole")
    roles.server.execute("drop role if exists new; revoke set on parameter temp_file_limit from maker", roles.database)
    url = roles.superuser.replace("//postgres@", "//maker@")
    made = grant_reader(url, "new", apply=False)
    assert limit not in made.statements and made.for_administrator == (limit,)
    roles.server.execute("grant set on parameter temp_file_limit to maker", roles.database)
    made = grant_reader(url, "new", apply=False)
    assert limit in made.statements and made.for_administrator == ()
    roles.server.execute("create role new; " + limit, roles.database)
    made = grant_reader(url, "new", apply=False)
    assert limit not in made.statements and made.for_administrator == ()


def test_who_may_not_limit_temporary_files_is_told_who_may(roles: Target, hf_catalog: Ask) -> None:
    make_role(roles, "granter", "login createrole")
    url = roles.superuser.replace("//postgres@", "//granter@")
    printed = hf_catalog("db", "grant-reader", "other", "--db", url).out.splitlines()
    assert printed[-1].startswith('-- A superuser has to limit its temporary files: alter role "other" set temp_file')
    assert all(line.endswith(";") for line in printed)


def test_a_role_that_may_do_more_is_not_made_a_reader(roles: Target) -> None:
    with pytest.raises(PrivilegedRole, match=r"files of .* is a member of pg_read_server_files"):
        grant_reader(roles.superuser, "files", apply=True)
    assert roles.rows("select rolconfig from pg_roles where rolname = 'files'") == [(None,)]


def test_a_role_may_have_any_characters(target: Target) -> None:
    assert grant_reader(target.superuser, '100% "sure"; --', apply=True).applied
    assert target.rows("select count(*) from pg_roles where rolname = '100% \"sure\"; --'") == [(1,)]


@pytest.mark.parametrize("role", ["", "pg_reader", "x" * 64, "a\nb"])
def test_a_name_that_no_role_can_have_is_an_error(role: str, target: Target) -> None:
    with pytest.raises(CatalogError, match="can't be the name of a role"):
        grant_reader(target.superuser, role, apply=False)


def test_who_may_not_make_roles_is_told_what_to_do(roles: Target) -> None:
    with pytest.raises(CatalogError, match="the role new was not made: permission denied") as refused:
        grant_reader(roles.superuser.replace("//postgres@", "//editor@"), "new", apply=True)
    assert "psql" in refused.value.hint


def test_a_file_has_no_roles(sqlite_db: str) -> None:
    with pytest.raises(CatalogError, match="it has no roles"):
        grant_reader(sqlite_db, "reader", apply=False)
