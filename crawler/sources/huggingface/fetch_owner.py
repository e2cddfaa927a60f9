"""Accounts of the Hub, as far as checks of a model need them."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from urllib.parse import quote

from crawler.errors import RepoError
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.parse import parse_created_at


def fetch_owner_created_at(client: HubClient, owner: str) -> datetime | None:
    """When an owner's account was created; None where the Hub does not tell. One request, two for an organization.

    Raises what ends a run: CrawlError.
    """
    for kind in ("users", "organizations"):
        with suppress(RepoError):
            return parse_created_at(
                client.get_object("info", f"/api/{kind}/{quote(owner, safe='')}/overview", [], owner)
            )
    return None
