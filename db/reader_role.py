"""What a role of PostgreSQL may do beyond reading, and the role that may not, for a user's SQL.

A role's rights are those of every role that it is a member of, whether it inherits them or not, because SET ROLE gives
it the others.
"""

from __future__ import annotations

from typing import Any

PRIVILEGED_ROLES = (
    *("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"),
    *("pg_signal_backend", "pg_signal_autovacuum_worker", "pg_write_all_data", "pg_maintain"),
    *("pg_checkpoint", "pg_create_subscription"),
)
"""Roles of PostgreSQL itself whose members may do more than read tables
(https://www.postgresql.org/docs/current/predefined-roles.html)."""

RESTRICTED_ROLE = "pg_read_all_data"
"""The role of PostgreSQL itself, since version 14, as which a superuser runs a user's SQL."""

MIN_RESTRICTED_VERSION = 140_000

SUPERUSER = "is a superuser"

RIGHTS_BEYOND_READING = """
    with role as (
        select r.* from pg_catalog.pg_roles r
        where pg_catalog.pg_has_role({role}, r.oid, 'member')
    ), found (rank, what) as (
        select 1, '{superuser}' from role where rolsuper
        union all select 2, 'may create roles' from role where rolcreaterole
        union all select 2, 'may create databases' from role where rolcreatedb
        union all select 2, 'may replicate' from role where rolreplication
        union all select 3, 'is a member of ' || rolname from role where rolname = any(%(privileged)s)
        union all select 4, 'owns the database ' || d.datname
        from pg_catalog.pg_database d join role on role.oid = d.datdba where d.datname = current_database()
        union all select 5, 'may create schemas in the database'
        from role where pg_catalog.has_database_privilege(oid, current_database(), 'create')
        union all select 6, 'owns ' || min(c.oid::regclass::text) || ' and others'
        from pg_catalog.pg_class c join role on role.oid = c.relowner
        where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') having count(*) > 0
        union all select 7, 'may write to ' || min(c.oid::regclass::text)
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace, role
        where c.relkind in ('r', 'p', 'v', 'f') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
          and pg_catalog.has_table_privilege(role.oid, c.oid, 'insert, update, delete, truncate') having count(*) > 0
    )
    select what from found order by rank, what
"""


def rights_beyond_reading(cursor: Any, role: str | None = None) -> tuple[str, ...]:
    """What a role may do beyond reading, the gravest first; the role of the session where none is named.

    Of a superuser nothing else is said. `cursor` is a cursor of psycopg.
    """
    cursor.execute(
        RIGHTS_BEYOND_READING.format(superuser=SUPERUSER, role="session_user" if role is None else "%(role)s::name"),
        {"privileged": list(PRIVILEGED_ROLES), "role": role},
    )
    found = tuple(dict.fromkeys(what for (what,) in cursor.fetchall()))
    return found[:1] if found[:1] == (SUPERUSER,) else found
