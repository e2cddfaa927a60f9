"""The Hub's API and files: one method for each kind of request."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from crawler.errors import RepoError, RequestRefused
from crawler.settings import DEFAULT_ENDPOINT
from crawler.sources.huggingface.listing_query import filter_params
from crawler.sources.huggingface.parse import BASIC_EXPAND_KEYS, EXPENSIVE_EXPAND_KEYS, parse_created_at
from crawler.sources.huggingface.range_reader import HubFileSource
from crawler.sources.huggingface.response import (
    IncompleteResponse,
    RangeResponse,
    Response,
    json_type_name,
    parse_content_range,
    parse_digits,
)
from crawler.sources.huggingface.transport import Params, Transport, parse_origin
from crawler.sources.huggingface.usage import RequestCounters, RequestKind
from crawler.sources.pacer import Pacer
from crawler.sources.source import RawPage
from db.record_base import Json
from db.records import RepoFilter

LISTING_PATH = "/api/models"

MAX_ROWS_PER_PAGE = 10_000
"""Rows of one page of the listing; the Hub sends 1,000 at most."""

INFO_KEYS = (*BASIC_EXPAND_KEYS, *EXPENSIVE_EXPAND_KEYS, "siblings")
"""What is requested of one repo; `siblings` with `blobs=true` are its files with sizes and hashes."""


class HubClient:
    """The Hub at an endpoint, for any number of threads.

    Args:
        endpoint: URL; None for HF_ENDPOINT, else huggingface.co.
        token: None for the one that `hf` would use, False for none, or a token.
        pacer: shared by all clients of this Hub in this process.
        timeout: seconds without a byte after which a request fails; a whole response may take eight times that.
        tries: attempts of one request before its failure counts.
        backoff: seconds before the second attempt; doubled with each further one, 30 at most.
        offline: None for HF_HUB_OFFLINE; False to send requests all the same, to a Hub on this machine.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        token: str | Literal[False] | None = None,
        pacer: Pacer | None = None,
        *,
        timeout: float = 30.0,
        tries: int = 5,
        backoff: float = 0.5,
        offline: bool | None = None,
    ) -> None:
        self.transport = Transport(
            endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT,
            token,
            pacer or Pacer(),
            timeout=timeout,
            tries=tries,
            backoff=backoff,
            offline=offline,
        )
        self._supports_info_keys = True  # False: this Hub takes no `expand` for a single repo

    @property
    def endpoint(self) -> str:
        return self.transport.endpoint

    @property
    def pacer(self) -> Pacer:
        return self.transport.pacer

    @property
    def counters(self) -> RequestCounters:
        return self.transport.counters

    @property
    def tries(self) -> int:
        return self.transport.tries

    @property
    def has_token(self) -> bool:
        return self.transport.has_token

    @property
    def seconds_waited(self) -> float:
        return self.pacer.seconds_waited

    @property
    def offline(self) -> bool:
        return self.transport.offline

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is on this machine."""
        return self.transport.origin[1] in ("localhost", "127.0.0.1", "::1")

    def retry_delay(self, failures: int) -> float:
        return self.transport.retry_delay(failures)

    # ---- the listing --------------------------------------------------------------------------------------------

    def check_connection(self) -> None:
        """Makes sure that there is a Hub at the endpoint and that it accepts the token. Raises what ends a run."""
        self.list_page([("limit", "1"), ("expand", "sha")], tries=self.tries)

    def list_page(self, params: Params, cursor: str | None = None, *, tries: int = 1) -> RawPage:
        """One page of the listing, its rows as the Hub sent them.

        Only the cursor is taken from the Link header, never the URL: it may name any host, and may have lost
        parameters. Raises HubServerError and InvalidResponse, so that the caller can ask for less.
        """
        sent = [*params] if cursor is None else [*params, ("cursor", cursor)]

        def attempt() -> RawPage:
            return RawPage(*self._get_list("list", LISTING_PATH, sent, cursor))

        return self.transport.with_retries(LISTING_PATH, attempt, tries)

    def newest_created(self, scope: RepoFilter) -> datetime | None:
        """When the newest repo of a scope was created; None if it has none."""
        params = [("sort", "createdAt"), ("limit", "1"), *filter_params(scope), ("expand", "createdAt")]
        rows = self.list_page(params).rows
        return parse_created_at(rows[0]) if rows else None

    def whoami(self) -> str:
        """The name of the token's owner. Raises TokenRefused."""
        path = "/api/whoami-v2"
        payload, _ = self.transport.with_retries(path, partial(self.transport.get_json, "info", path, []))
        name = payload.get("name") if isinstance(payload, dict) else None
        return name if isinstance(name, str) and name.isprintable() else "unknown"

    # ---- one repo -----------------------------------------------------------------------------------------------

    def repo_info(self, repo_id: str, revision: str | None = None, *, expand: Sequence[str] = INFO_KEYS) -> Json:
        """The Hub's metadata of one repo, by default with its files, their sizes and hashes: one request.

        Raises RepoError for what is wrong with this repo alone.
        """
        path = repo_path(repo_id) + ("" if revision is None else f"/revision/{quote(revision, safe='')}")
        blobs = [("blobs", "true")] if "siblings" in expand else []
        if self._supports_info_keys:
            try:
                return self._get_object("info", path, [*blobs, *(("expand", name) for name in expand)], repo_id)
            except RequestRefused:
                self._supports_info_keys = False
        return self._get_object("info", path, blobs, repo_id)

    def list_files(self, repo_id: str, revision: str) -> Iterator[Any]:
        """The entries of a revision's file tree as the Hub sent them; for Hubs whose info has no file sizes."""
        path = f"{repo_path(repo_id)}/tree/{quote(revision, safe='')}"
        cursor: str | None = None
        while True:
            params = [("recursive", "true"), ("expand", "false")] + ([("cursor", cursor)] if cursor else [])
            attempt = partial(self._get_list, "tree", path, params, cursor, repo_id)
            rows, cursor = self.transport.with_repo_retries(path, attempt)
            yield from rows
            if cursor is None:
                return

    def list_refs(self, repo_id: str) -> Json:
        """Branches and tags of a repo."""
        return self._get_object("info", f"{repo_path(repo_id)}/refs", [], repo_id)

    def safetensors_metadata(self, repo_id: str, index_path: str) -> Json | None:
        """The headers of all shards that an index file of `main` names: one request. None where the Hub has none."""
        try:
            path = f"{repo_path(repo_id)}/safetensors-metadata/{quote(index_path, safe='/')}"
            return self._get_object("headers", path, [], repo_id)
        except RequestRefused:
            return None
        except RepoError as error:
            if error.reason in ("gone", "unreadable", "failed"):
                return None
            raise

    # ---- files --------------------------------------------------------------------------------------------------

    def open_file(self, repo_id: str, path: str, revision: str = "main", size: int | None = None) -> HubFileSource:
        """A repo's file, to be read in ranges."""
        return HubFileSource(path, size, partial(self.read_range, repo_id, path, revision))

    def open_url(self, url: str) -> HubFileSource:
        """A file anywhere on the web, to be read in ranges. The token is not sent."""
        name = urlsplit(url).path.rpartition("/")[2] or url
        return HubFileSource(name, None, partial(self.read_range, "", name, ""), signed_url=url)

    def read_small_file(self, repo_id: str, path: str, revision: str, *, size: int) -> bytes:
        """A whole file of exactly `size` bytes."""
        return self.read_range(repo_id, path, revision, 0, size, size=size).data

    def read_range(
        self,
        repo_id: str,
        path: str,
        revision: str,
        start: int,
        length: int,
        *,
        signed_url: str | None = None,
        size: int | None = None,
    ) -> RangeResponse:
        """`length` bytes of a file from `start`, fewer only at its end.

        Args:
            signed_url: where an earlier range of the file was, which spares a request to the Hub.
            size: of the file, if known; bytes of a file of another size are not accepted.

        Raises RepoError, and what ends a run.
        """
        hub_path = f"/{quote(repo_id, safe='/')}/resolve/{quote(revision, safe='')}/{quote(path, safe='/')}"
        headers = {"range": f"bytes={start}-{start + length - 1}", "accept-encoding": "identity"}

        def attempt() -> RangeResponse:
            nonlocal signed_url
            url = signed_url or self.endpoint + hub_path
            response = self.transport.get("resolve", url, [], headers, max_bytes=start + length)
            is_other_host = parse_origin(response.url) != self.transport.origin
            if response.status == 403 and is_other_host and repo_id:
                signed_url = None  # expired: the Hub gives another one
                raise IncompleteResponse("the signed link to the file has expired")
            found = self._parse_range(response, start, length, response.url if is_other_host else None, repo_id)
            if size is not None and found.size is not None and found.size != size:
                signed_url = None
                raise IncompleteResponse(f"expected a file of {size:,} bytes, received one of {found.size:,}")
            return found

        return self.transport.with_repo_retries(hub_path, attempt)

    def _parse_range(
        self, response: Response, start: int, length: int, signed_url: str | None, repo_id: str
    ) -> RangeResponse:
        if response.status == 416:
            return RangeResponse(b"", parse_content_range(response.headers)[2], signed_url)
        if response.status not in (200, 206):
            raise self.transport.error_from_response(response, repo_id)
        if response.status == 200:  # the server ignored the Range header and sent the file from its start
            size = parse_digits(response.headers.get("content-length"))
            if len(response.body) < min(start + length, size if size is not None else start + length):
                raise IncompleteResponse("the file's bytes are incomplete")
            return RangeResponse(response.body[start : start + length], size, signed_url, is_partial=False)
        first, last, size = parse_content_range(response.headers)
        if first != start or last is None:
            received = response.headers.get("content-range")
            raise IncompleteResponse(f"expected bytes from {start}, received {received!r}")
        if len(response.body) < min(last - first + 1, length):
            raise IncompleteResponse("the file's bytes are incomplete")
        return RangeResponse(response.body[:length], size, signed_url)

    # ---- shapes of responses ------------------------------------------------------------------------------------

    def _get_object(self, kind: RequestKind, path: str, params: Params, repo_id: str) -> Json:
        def attempt() -> Json:
            value, _ = self.transport.get_json(kind, path, params, repo_id)
            if not isinstance(value, dict):
                raise IncompleteResponse(f"expected an object, received {json_type_name(value)}")
            return value

        return self.transport.with_repo_retries(path, attempt)

    def _get_list(
        self, kind: RequestKind, path: str, params: Params, cursor: str | None, repo_id: str | None = None
    ) -> tuple[list[Any], str | None]:
        """A page of rows and the cursor of the next one, by one attempt."""
        rows, response = self.transport.get_json(kind, path, params, repo_id)
        if not isinstance(rows, list):
            raise IncompleteResponse(f"expected a list, received {json_type_name(rows)}")
        if len(rows) > MAX_ROWS_PER_PAGE:
            raise IncompleteResponse(f"a page of {len(rows):,} rows")
        return rows, self._parse_next_cursor(response, cursor)

    def _parse_next_cursor(self, response: Response, cursor: str | None) -> str | None:
        """The cursor of the Link header's `next`. A link to another host or to the same page is an error."""
        for link in response.headers.get("link", "").split(","):
            target, _, attributes = link.strip().partition(";")
            if 'rel="next"' in attributes.replace("'", '"').replace("rel=next", 'rel="next"'):
                url = urljoin(response.url, target.strip().removeprefix("<").removesuffix(">"))
                if parse_origin(url) != self.transport.origin:
                    raise IncompleteResponse(f"the link to the next page names another host, {urlsplit(url).hostname}")
                cursors = parse_qs(urlsplit(url).query).get("cursor")
                if not cursors or cursors[0] == cursor:
                    raise IncompleteResponse("the link to the next page leads to the same page")
                return cursors[0]
        return None


def repo_path(repo_id: str) -> str:
    return f"{LISTING_PATH}/{quote(repo_id, safe='/')}"
