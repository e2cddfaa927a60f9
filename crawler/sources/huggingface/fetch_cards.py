"""Model cards: the README.md of a repo."""

from __future__ import annotations

from analysis.files.card_sections import MAX_CARD_BYTES, read_card
from crawler.errors import RepoError
from crawler.skips import TRANSIENT_REASONS, make_skip_by_id
from crawler.sources.huggingface.client import HubClient
from db.records import CardFacts, CardRecord, CardRequest, Skipped

README = "README.md"


def fetch_card(client: HubClient, request: CardRequest) -> CardRecord | Skipped:
    """A model's card at the commit that the catalog knows: one request, none where its files lack it."""
    if request.has_card is False or request.size == 0:
        return CardRecord(request, read_card(b"", 0))
    revision = request.sha or "main"
    try:
        found = client.read_range(request.repo_id, README, revision, 0, MAX_CARD_BYTES, size=request.size)
    except RepoError as error:
        if error.reason == "unreadable" and request.has_card is None and "entry" in error.detail.lower():
            return CardRecord(request, read_card(b"", 0))
        if error.reason not in TRANSIENT_REASONS:
            return CardRecord(request, CardFacts(bytes=request.size))  # gated, or removed since
        return make_skip_by_id(request.repo_id, request.hub_id, error.reason, f"{README}: {error.detail}")
    return CardRecord(request, read_card(found.data, len(found.data) if found.size is None else found.size))
