"""The Hub's API and files: one method for each kind of request."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

from crawler.errors import HubUnreachable, InvalidResponse, RepoError, RequestRefused, TokenNeeded
from crawler.settings import DEFAULT_ENDPOINT
from crawler.sources.huggingface.endpoint import parse_origin
from crawler.sources.huggingface.listing_query import filter_params, find_unknown_keys
from crawler.sources.huggingface.outage import PATIENCE_SECONDS
from crawler.sources.huggingface.parse import (
    is_hub_id,
    parse_created_at,
    parse_repo,
    parse_repo_id,
)
from crawler.sources.huggingface.range_reader import HubFileSource
from crawler.sources.huggingface.repo_types import TYPE_APIS, TypeApi
from crawler.sources.huggingface.response import (
    IncompleteResponse,
    RangeResponse,
    Response,
    json_type_name,
    parse_content_range,
    parse_digits,
)
from crawler.sources.huggingface.transport import Params, Transport
from crawler.sources.huggingface.usage import RequestCounters, RequestKind
from crawler.sources.pacer import Pacer
from crawler.sources.source import Capabilities, Order, RawPage
from db.record_base import Json, RepoType
from db.records import RepoFilter, RepoRecord, Skipped

MAX_ROWS_PER_PAGE = 100_000
"""Rows of one page of the listing; huggingface.co sends 1,000 at most, KohakuHub as many as are asked for."""

HEALTH_ROWS = 3
"""Rows that are listed to see whether the Hub is well: one of these repos may be what fails."""

HEALTH_TRIES = 2
"""Attempts of a request that shows whether the Hub is well."""


@contextmanager
def refused_as_repo_error(what: str) -> Iterator[None]:
    """Makes a refusal of `what` was requested of one repo that repo's error. Raises RepoError."""
    try:
        yield
    except RequestRefused as refused:
        raise RepoError("failed", f"the Hub refuses {what}: {refused.detail}") from refused


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
        patience: seconds for which a Hub that is down is waited for.
        repo_type: of the repos that are listed and requested.
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
        patience: float = PATIENCE_SECONDS,
        repo_type: RepoType = "model",
    ) -> None:
        self.repo_type: RepoType = repo_type
        self.transport = Transport(
            endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT,
            token,
            pacer or Pacer(),
            timeout=timeout,
            tries=tries,
            backoff=backoff,
            offline=offline,
            patience=patience,
        )
        self.unknown_keys: frozenset[str] = frozenset()  # of `expand`, that this Hub does not know
        self.sorts: Mapping[Order, str] = {}  # this Hub's names of orders, where they differ
        self._shown_repo: str | None = None  # a repo for which it answered a request
        self.known = Capabilities()
        self._lists_details = False  # its listing shows what is asked for by TypeApi.expensive_keys
        self._learning = threading.Lock()

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
    def has_password(self) -> bool:
        """Whether the endpoint came with a user and password, which are sent instead of a token."""
        return self.transport.has_password

    @property
    def has_answered(self) -> bool:
        """Whether anything responded at the endpoint."""
        return self.transport.has_answered

    @property
    def seconds_waited(self) -> float:
        return self.pacer.seconds_waited

    @property
    def offline(self) -> bool:
        return self.transport.offline

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is on this machine."""
        return self.transport.is_local

    def retry_delay(self, failures: int) -> float:
        return self.transport.retry_delay(failures)

    @property
    def api(self) -> TypeApi:
        """The API of the repos' type."""
        return TYPE_APIS[self.repo_type]

    def repo_path(self, repo_id: str) -> str:
        return f"{self.api.listing_path}/{quote(repo_id, safe='/')}"

    def parse_repo(
        self,
        row: Any,
        now: datetime | None = None,
        wrong_fields: list[str] | None = None,
        digest: int | None = None,
    ) -> RepoRecord | Skipped:
        """The repo that a row of the listing, or the response for one repo, describes; or why it is skipped.

        The keys of values of a wrong type are counted, and added to `wrong_fields`. `digest` is that of the row.
        """
        if self.known.has_hub_ids is None and type(row) is dict and parse_repo_id(row) is not None:
            # All repos of a Hub have one, or none: the first tells.
            self.known = replace(self.known, has_hub_ids=is_hub_id(row.get("_id")))
        has_hub_ids = self.known.has_hub_ids is not False

        def on_wrong_field(key: str) -> None:
            self.counters.count_wrong_field(key)
            if wrong_fields is not None:
                wrong_fields.append(key)

        return parse_repo(
            row, now, type_=self.repo_type, has_hub_ids=has_hub_ids, on_wrong_field=on_wrong_field, digest=digest
        )

    def lists_details(self, rows: Sequence[Any]) -> bool:
        """Whether the listing of these rows shows what repo owners write, or would if there were any.

        A Hub that ignores `expand` shows nothing of that, for any repo; the others show at least empty values.
        """
        if not self._lists_details:
            keys = set(self.api.expensive_keys)
            self._lists_details = any(type(row) is dict and not keys.isdisjoint(row) for row in rows)
        return self._lists_details

    @property
    def capabilities(self) -> Capabilities:
        return replace(self.known, orders=self.sorts, unknown_keys=self.unknown_keys)

    def use_capabilities(self, known: Capabilities) -> None:
        self.known, self.sorts, self.unknown_keys = known, known.orders, known.unknown_keys

    # ---- the listing --------------------------------------------------------------------------------------------

    def check_connection(self) -> None:
        """Makes sure that there is a Hub at the endpoint and that it accepts the token. Raises what ends a run."""
        self.list_page([("limit", "1")], tries=self.tries)

    def list_page(self, params: Params, cursor: str | None = None, *, tries: int = 1) -> RawPage:
        """One page of the listing, its rows as the Hub sent them.

        Only the cursor is taken from the Link header, never the URL: it may name any host, and may have lost
        parameters. Raises HubServerError and InvalidResponse, so that the caller can ask for less, where the Hub is
        well otherwise; one that is down is waited for.
        """
        sent = [*params] if cursor is None else [*params, ("cursor", cursor)]

        def attempt() -> RawPage:
            return RawPage(*self._get_list("list", self.api.listing_path, sent, cursor))

        return self.transport.with_retries(self.api.listing_path, attempt, self.check_listing, tries)

    def check_listing(self) -> None:
        """Makes sure that the Hub sends a listing, of a few rows. Raises HubUnreachable, and what ends a run."""
        self._list_few()

    def _list_few(self) -> list[Any]:
        attempt = partial(self.transport.get_json, "list", self.api.listing_path, [("limit", str(HEALTH_ROWS))])
        try:
            rows, _ = self.transport.with_retries(self.api.listing_path, attempt, None, HEALTH_TRIES)
        except RequestRefused as error:
            raise InvalidResponse(self.endpoint, self.api.listing_path, error.detail) from error
        if not isinstance(rows, list):
            raise InvalidResponse(
                self.endpoint, self.api.listing_path, f"expected a list, received {json_type_name(rows)}"
            )
        return rows[:HEALTH_ROWS]

    def check_repos(self) -> None:
        """Makes sure that the Hub answers for one of the repos that it lists.

        Raises HubUnreachable, TokenNeeded, and what ends a run.
        """
        if self._shown_repo is not None and self._find_repo_error(self._shown_repo) is None:
            return
        errors = []
        for repo_id in self._list_few_ids():
            error = self._find_repo_error(repo_id)
            if error is None:
                return
            errors.append(error)
        if not self.has_token and any(isinstance(error, RepoError) and error.reason == "gone" for error in errors):
            raise TokenNeeded(self.endpoint, "single repos")
        problem = errors[0].detail if errors else "it lists none"
        raise HubUnreachable(self.endpoint, f"single repos: {problem}")

    def _list_few_ids(self) -> Iterator[str]:
        """The ids of a few listed repos."""
        return (row["id"] for row in self._list_few() if isinstance(row, dict) and isinstance(row.get("id"), str))

    def _find_repo_error(self, repo_id: str) -> RequestRefused | RepoError | None:
        """The error of a request for a repo; None if there is none."""
        path = self.repo_path(repo_id)
        attempt = partial(self.transport.get_json, "info", path, [("expand", "sha")], repo_id)
        try:
            self.transport.with_repo_retries(path, attempt, None, tries=HEALTH_TRIES)
        except (RequestRefused, RepoError) as error:
            return error
        return None

    def newest_created(self, scope: RepoFilter) -> datetime | None:
        """When the newest repo of a scope was created; None if it has none, or none with a date."""
        sort = self.sorts.get("createdAt", "createdAt")
        params = [*([("sort", sort)] if sort else []), ("limit", "1"), *filter_params(scope), ("expand", "createdAt")]
        dates = [parse_created_at(row) for row in self.list_page(params, tries=self.tries).rows]
        return max((date for date in dates if date is not None), default=None)

    def whoami(self) -> str:
        """The name of the token's owner. Raises TokenRefused."""
        path = "/api/whoami-v2"
        attempt = partial(self.transport.get_json, "info", path, [])
        payload, _ = self.transport.with_retries(path, attempt, self.check_listing)
        name = payload.get("name") if isinstance(payload, dict) else None
        return name if isinstance(name, str) and name.isprintable() else "unknown"

    # ---- one repo -----------------------------------------------------------------------------------------------

    def repo_info(self, repo_id: str, revision: str | None = None, *, expand: Sequence[str] | None = None) -> Json:
        """The Hub's metadata of one repo: the keys `expand`, by default all with its files, in one request.

        Raises RepoError for what is wrong with this repo alone.
        """
        path = self.repo_path(repo_id) + ("" if revision is None else f"/revision/{quote(revision, safe='')}")
        expand = self.api.info_keys if expand is None else expand
        blobs = [("blobs", "true"), *self.api.info_params] if "siblings" in expand else []
        unknown = self.unknown_keys
        try:
            keys = [("expand", name) for name in expand if name not in unknown]
            found = self.get_object("info", path, [*blobs, *keys], repo_id)
        except RequestRefused as refused:
            with refused_as_repo_error("the request"):
                if not self._learn_unknown_keys(refused, unknown):
                    raise
            return self.repo_info(repo_id, revision, expand=expand)
        except RepoError as error:
            if error.reason == "gone" and not self.has_token and self._shown_repo is None:
                self.check_repos()  # perhaps the Hub shows no repo at all without a token
            raise
        self._shown_repo = repo_id
        return found

    def _learn_unknown_keys(self, refused: RequestRefused, before: frozenset[str]) -> bool:
        """Whether the Hub refused a repo because of keys that it does not know: they are not sent any more.

        A refusal after requests for other repos went well is that repo's own. `before` are the keys that were known as
        unknown when the request was sent.
        """
        with self._learning:
            if self.unknown_keys == before:
                if self._shown_repo is not None:
                    return False
                self.unknown_keys = find_unknown_keys(
                    self.api.info_keys, before, refused.detail, self._accepts_info_keys
                )
            return self.unknown_keys != before

    def _accepts_info_keys(self, keys: Sequence[str]) -> bool:
        """Whether the Hub answers for one of the repos that it lists, asked for these keys."""
        params = [("expand", key) for key in keys]
        for repo_id in self._list_few_ids():
            with suppress(RequestRefused, RepoError):
                self.get_object("info", self.repo_path(repo_id), params, repo_id)
                return True
        return False

    def list_files(self, repo_id: str, revision: str) -> Iterator[Any]:
        """The entries of a revision's file tree as the Hub sent them; for Hubs whose info has no file sizes."""
        path = f"{self.repo_path(repo_id)}/tree/{quote(revision, safe='')}"
        cursor: str | None = None
        while True:
            params = [("recursive", "true"), ("expand", "false")] + ([("cursor", cursor)] if cursor else [])
            attempt = partial(self._get_list, "tree", path, params, cursor, repo_id)
            with refused_as_repo_error("its file list"):
                rows, cursor = self.transport.with_repo_retries(path, attempt, self.check_repos)
            yield from rows
            if cursor is None:
                return

    def list_scans(self, repo_id: str, revision: str, folder: str) -> list[Any]:
        """The first page of a folder's entries with what the Hub's scanners report of its files."""
        path = f"{self.repo_path(repo_id)}/tree/{quote(revision, safe='')}" + (f"/{quote(folder)}" if folder else "")
        attempt = partial(self._get_list, "tree", path, [("recursive", "false"), ("expand", "true")], None, repo_id)
        with refused_as_repo_error("its scans"):
            rows, _ = self.transport.with_repo_retries(path, attempt, self.check_repos)
        return rows

    def leaderboard(self, dataset: str) -> list[Any]:
        """The results that the Hub collects for a benchmark, as it sent them: one request. Raises RepoError."""
        path = f"{self.repo_path(dataset)}/leaderboard"
        attempt = partial(self._get_list, "info", path, [], None, dataset)
        with refused_as_repo_error("its leaderboard"):
            return self.transport.with_repo_retries(path, attempt, self.check_repos)[0]

    def list_refs(self, repo_id: str) -> Json:
        """Branches and tags of a repo."""
        with refused_as_repo_error("its branches"):
            return self.get_object("info", f"{self.repo_path(repo_id)}/refs", [], repo_id)

    def safetensors_metadata(self, repo_id: str, index_path: str) -> Json | None:
        """The headers of all shards that an index file of `main` names: one request. None where the Hub has none."""
        try:
            path = f"{self.repo_path(repo_id)}/safetensors-metadata/{quote(index_path, safe='/')}"
            return self.get_object("headers", path, [], repo_id)
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
        repo_url = f"{self.api.file_prefix}/{quote(repo_id, safe='/')}"
        hub_path = f"{repo_url}/resolve/{quote(revision, safe='')}/{quote(path, safe='/')}"
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

        with refused_as_repo_error("the file"):
            return self.transport.with_repo_retries(hub_path, attempt, self.check_repos if repo_id else None)

    def _parse_range(
        self, response: Response, start: int, length: int, signed_url: str | None, repo_id: str
    ) -> RangeResponse:
        if response.status == 416:
            return RangeResponse(b"", parse_content_range(response.headers)[2], signed_url)
        if response.status not in (200, 206):
            raise self.transport.error_from_response(response, repo_id)
        self._note_ranges(is_partial=response.status == 206)
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

    def _note_ranges(self, *, is_partial: bool) -> None:
        """Some Hubs ignore ranges of small files only: one range that was sent decides."""
        if self.known.sends_ranges is None or (is_partial and not self.known.sends_ranges):
            self.known = replace(self.known, sends_ranges=is_partial)

    # ---- shapes of responses ------------------------------------------------------------------------------------

    def get_object(self, kind: RequestKind, path: str, params: Params, repo_id: str) -> Json:
        """What the endpoint answers for a path. Raises RepoError and what ends a run."""

        def attempt() -> Json:
            value, _ = self.transport.get_json(kind, path, params, repo_id)
            if not isinstance(value, dict):
                raise IncompleteResponse(f"expected an object, received {json_type_name(value)}")
            return value

        return self.transport.with_repo_retries(path, attempt, self.check_repos)

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
        """The cursor of the Link header's `next`. A link to the same page is an error.

        The host that it names does not matter: mirrors leave the Hub's own there, which is not asked.
        """
        for link in response.headers.get("link", "").split(","):
            target, _, attributes = link.strip().partition(";")
            if 'rel="next"' in attributes.replace("'", '"').replace("rel=next", 'rel="next"'):
                url = target.strip().removeprefix("<").removesuffix(">")
                try:
                    cursors = parse_qs(urlsplit(url).query).get("cursor")
                except ValueError as error:
                    raise IncompleteResponse("the link to the next page is not a URL") from error
                if not cursors or cursors[0] == cursor:
                    raise IncompleteResponse("the link to the next page leads to the same page")
                return cursors[0]
        return None
