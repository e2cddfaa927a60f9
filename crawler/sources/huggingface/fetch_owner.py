"""Accounts of the Hub: users and organizations (GET /api/{users,organizations}/{name}/overview)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from crawler.errors import RepoError
from crawler.sources.huggingface.client import HubClient, refused_as_repo_error
from crawler.sources.huggingface.parse import parse_created_at
from db.record_base import AccountKind, Json

AccountPath = Literal["organizations", "users"]


def fetch_account(client: HubClient, kind: AccountPath, name: str) -> Json:
    """What the Hub shows of an account: one request. Raises RepoError and what ends a run."""
    return client.get_object("info", f"/api/{kind}/{quote(name, safe='')}/overview", [], name)


def fetch_account_kind(client: HubClient, name: str) -> AccountKind | None:
    """Whether an account is a user or an organization: two requests at most. None where the Hub shows neither.

    Raises RepoError where the Hub does not answer.
    """
    if has_account(client, "organizations", name):
        return "organization"
    return "user" if has_account(client, "users", name) else None


def has_account(client: HubClient, kind: AccountPath, name: str) -> bool:
    """Whether the Hub shows an account of this kind: one request. Raises RepoError."""
    try:
        with refused_as_repo_error("the account"):
            found = fetch_account(client, kind, name)
    except RepoError as error:
        if error.reason in ("gone", "unreadable"):
            return False
        raise
    names = (found.get(key) for key in ("name", "user"))
    return any(isinstance(each, str) and each.lower() == name.lower() for each in names)


def fetch_owner_created_at(client: HubClient, owner: str) -> datetime | None:
    """When an owner's account was created; None where the Hub does not tell. One request, two for an organization.

    Raises what ends a run: CrawlError.
    """
    kinds: tuple[AccountPath, ...] = ("users", "organizations")
    for kind in kinds:
        with suppress(RepoError):
            return parse_created_at(fetch_account(client, kind, owner))
    return None
