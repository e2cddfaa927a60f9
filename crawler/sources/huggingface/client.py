"""The one door to the Hub: every request goes through here, paced, timed, bounded, and with its errors made ours.

huggingface_hub gives the session, the headers (token, user agent) and the words of the quota; its own iterators are not
used, since one bad row ends them and they wait forever on a silent socket. The token goes to the endpoint's host alone:
redirects are followed by hand, and to another host without it.
"""

from __future__ import annotations

import hmac
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qs, quote, urlencode, urljoin, urlsplit

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # before the import: else one request to the real Hub at least

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # exported, but not in mypy's strict sense
    build_hf_headers,
    get_session,
    parse_ratelimit_headers,
)

from crawler.errors import (
    HubServerError,
    HubUnreachable,
    InvalidResponse,
    Offline,
    QuotaSpent,
    RepoError,
    RequestRefused,
    TokenRefused,
)
from crawler.settings import HUB
from crawler.sources.huggingface.range_reader import HubFileSource
from crawler.sources.huggingface.response import (
    IncompleteResponse,
    Response,
    content_range,
    json_type_name,
    parse_int,
    parse_json,
    retry_after,
)
from crawler.sources.huggingface.usage import RequestCounters, RequestKind, Usage
from crawler.sources.pacer import Pacer, RateLimit
from db.record_base import Json

T = TypeVar("T")
Params = Sequence[tuple[str, str]]

MAX_JSON_BYTES = 96 << 20
"""Bytes of one JSON answer: a thousand rows with long cards are 10 MB, all shard headers of the largest model 40 MB."""

MAX_ROWS_PER_PAGE = 10_000
"""Rows of one page: the Hub gives a thousand."""

MAX_429_IN_A_ROW = 8
"""429s in a row after which the quota counts as spent."""

BASIC_EXPAND_KEYS = (
    *("author", "createdAt", "disabled", "downloads", "downloadsAllTime", "gated", "lastModified", "library_name"),
    *("likes", "pipeline_tag", "private", "sha", "tags", "trendingScore", "usedStorage"),
)
EXPENSIVE_EXPAND_KEYS = ("baseModels", "cardData", "config", "evalResults", "gguf", "model-index", "safetensors")
"""Keys that are read from the repo's files or other repos: a struggling Hub is spared them."""

INFO = (*BASIC_EXPAND_KEYS, *EXPENSIVE_EXPAND_KEYS, "siblings")
"""What one look at a repo asks for; `siblings` with `blobs=true` are its files with sizes and hashes."""


@dataclass(frozen=True, slots=True)
class RangeResponse:
    """Bytes of a file from `start` on; `size` of the whole file where the answer told; `signed` is where they lay."""

    data: bytes
    size: int | None
    signed: str | None
    ranged: bool = True  # False: the server sent all that stands before it too


class HubClient:
    """The Hub at an endpoint, for any number of threads.

    Args:
        endpoint: URL; None for HF_ENDPOINT, else huggingface.co.
        token: None for the one that `hf` would use, False for none, or a token.
        pacer: shared by all that ask this Hub in this process.
        timeout: seconds of silence after which a request is broken off; the whole answer may take eight times that.
        tries: how often one request is tried before its failure counts.
        backoff: seconds before the second try; doubled with each further one, 30 at most.
        offline: None for HF_HUB_OFFLINE; False to ask all the same, of a Hub on this machine.
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
        self.endpoint = checked_endpoint(endpoint or os.environ.get("HF_ENDPOINT") or HUB)
        self.pacer = pacer or Pacer()
        self.counters = RequestCounters()
        self.timeout, self.tries, self.backoff = timeout, tries, backoff
        self._token = token
        self._offline = constants.is_offline_mode() if offline is None else offline
        self._insists = offline is False  # huggingface_hub's own session refuses where HF_HUB_OFFLINE is set
        self._origin = origin(self.endpoint)
        self._reached = False
        self._plain_info = False  # this Hub takes no `expand` on one repo
        self._buckets: dict[RequestKind, str] = {"resolve": "resolvers"}

    @cached_property
    def _headers(self) -> dict[str, str]:
        headers = build_hf_headers(token=self._token, library_name="hf-catalog", library_version=own_version())
        token = headers.get("authorization", "")
        if not (token.isascii() and token.isprintable()):
            raise TokenRefused(self.endpoint)  # no header can hold it, and the client's own error would tell it
        return headers

    def _session(self) -> httpx2.Client:
        return self._own_session if self._insists else get_session()

    @cached_property
    def _own_session(self) -> httpx2.Client:
        return httpx2.Client(follow_redirects=False)

    @property
    def has_token(self) -> bool:
        return "authorization" in self._headers

    @property
    def seconds_waited(self) -> float:
        return self.pacer.seconds_waited

    @property
    def place(self) -> tuple[str, float, int, float]:
        """What another process needs to have such a door of its own; no token."""
        return self.endpoint, self.timeout, self.tries, self.backoff

    @property
    def explicit_token(self) -> str | None:
        """The token that was handed over, not found in the environment."""
        return self._token if isinstance(self._token, str) else None

    def fingerprint(self, salt: str) -> str | None:
        """Tells whether two doors have the same token, and not which; None where there is none."""
        own = self._headers.get("authorization")
        return None if own is None else hmac.digest(salt.encode(), own.encode(), "sha256").hex()

    @contextmanager
    def counted(self) -> Iterator[Usage]:
        """What this thread asks in the block."""
        usage = Usage()
        self.counters.own = usage
        try:
            yield usage
        finally:
            self.counters.own = None

    @property
    def offline(self) -> bool:
        return self._offline

    @property
    def is_local(self) -> bool:
        return self._origin[1] in ("localhost", "127.0.0.1", "::1")

    # ---- what is asked ------------------------------------------------------------------------------------------

    def check_connection(self) -> None:
        """Makes sure that there is a Hub at the endpoint, and that it takes the token. Raises what ends a run."""
        self.list_page([("limit", "1"), ("expand", "sha")], tries=self.tries)

    def list_page(self, params: Params, cursor: str | None = None, *, tries: int = 1) -> tuple[list[Any], str | None]:
        """One page of the listing: its rows as they came, and the cursor of the next page.

        Only the cursor is taken from the Link header, never the address: it names whatever host it likes and may have
        lost what was asked. A Hub that fails is told by HubFailing or BadAnswer, for the caller to ask for less.
        """
        asked = [*params] if cursor is None else [*params, ("cursor", cursor)]
        return self._with_retries("/api/models", lambda: self._list("list", "/api/models", asked, cursor), tries)

    def whoami(self) -> str:
        """The name of the token's owner. Raises TokenRefused."""
        told, _ = self._with_retries("/api/whoami-v2", lambda: self._json("info", "/api/whoami-v2", []))
        name = told.get("name") if isinstance(told, dict) else None
        return name if isinstance(name, str) and name.isprintable() else "somebody"

    def repo_info(self, repo_id: str, revision: str | None = None, *, expand: Sequence[str] | None = None) -> Json:
        """All that the Hub tells of one repo, files with sizes and hashes among it, in one request.

        Raises RepoTrouble for what is wrong with this repo alone.
        """
        path = f"/api/models/{quote(repo_id, safe='/')}"
        path += "" if revision is None else f"/revision/{quote(revision, safe='')}"
        wanted = INFO if expand is None else expand
        blobs = [("blobs", "true")] if "siblings" in wanted else []
        if not self._plain_info:
            try:
                return self._object("info", path, [*blobs, *(("expand", name) for name in wanted)], repo_id)
            except RequestRefused:
                self._plain_info = True
        return self._object("info", path, blobs, repo_id)

    def list_files(self, repo_id: str, revision: str) -> Iterator[Any]:
        """The entries of a revision's file tree, as they came; for Hubs whose info does not tell sizes."""
        path = f"/api/models/{quote(repo_id, safe='/')}/tree/{quote(revision, safe='')}"
        cursor: str | None = None
        while True:
            rows, cursor = self._tree_page(repo_id, path, cursor)
            yield from rows
            if cursor is None:
                return

    def _tree_page(self, repo_id: str, path: str, cursor: str | None) -> tuple[list[Any], str | None]:
        params = [("recursive", "true"), ("expand", "false")] + ([("cursor", cursor)] if cursor else [])
        return self._of_repo(
            repo_id, lambda: self._with_retries(path, lambda: self._list("tree", path, params, cursor, repo_id))
        )

    def list_refs(self, repo_id: str) -> Json:
        """Branches and tags of a repo: quants of some methods live on branches of their own."""
        return self._object("info", f"/api/models/{quote(repo_id, safe='/')}/refs", [], repo_id)

    def safetensors_metadata(self, repo_id: str, index_path: str) -> Json | None:
        """The headers of all shards that an index of `main` names, in one request; None where the Hub has no such."""
        path = f"/api/models/{quote(repo_id, safe='/')}/safetensors-metadata/{quote(index_path, safe='/')}"
        try:
            return self._object("headers", path, [], repo_id)
        except (RequestRefused, RepoError) as trouble:
            if isinstance(trouble, RepoError) and trouble.reason not in ("gone", "unreadable", "failed"):
                raise
            return None

    def source(self, repo_id: str, path: str, revision: str = "main", size: int | None = None) -> HubFileSource:
        """A file's bytes, read in pieces."""
        return HubFileSource(self, repo_id, path, revision, size)

    def web_source(self, url: str) -> HubFileSource:
        """A file anywhere on the web, read in pieces; the token stays at home."""
        return HubFileSource(self, "", urlsplit(url).path.rpartition("/")[2] or url, "", None, signed=url)

    def read_small_file(
        self, repo_id: str, path: str, revision: str = "main", most: int = 1 << 20, *, size: int | None = None
    ) -> bytes:
        """A file of `most` bytes at most, or of just `size`, whole."""
        return self.read_range(repo_id, path, revision, 0, most if size is None else size, size=size).data

    # ---- bytes of files -----------------------------------------------------------------------------------------

    def read_range(
        self,
        repo_id: str,
        path: str,
        revision: str,
        start: int,
        length: int,
        *,
        signed: str | None = None,
        size: int | None = None,
    ) -> RangeResponse:
        """`length` bytes of a file from `start`, fewer at its end.

        `signed` is where its last piece lay, if known; `size` the file's, if known: other bytes are not taken for its.
        """
        place = f"/{quote(repo_id, safe='/')}/resolve/{quote(revision, safe='')}/{quote(path, safe='/')}"
        ranged = {"range": f"bytes={start}-{start + length - 1}", "accept-encoding": "identity"}
        known = [signed]

        def once() -> RangeResponse:
            answer = self._follow("resolve", known[0] or self.endpoint + place, [], ranged, cut=start + length)
            abroad = origin(answer.url) != self._origin
            if answer.status == 403 and abroad and repo_id:
                known[0] = None  # the signature's hour is over: the Hub gives another
                raise IncompleteResponse("the link to the file's bytes has expired")
            piece = self._bytes_of(answer, start, length, answer.url if abroad else None, repo_id)
            if size is not None and piece.size is not None and piece.size != size:
                known[0] = None
                raise IncompleteResponse(f"a file of {size:,} bytes is due, one of {piece.size:,} came")
            return piece

        return self._of_repo(repo_id, lambda: self._with_retries(place, once))

    def _bytes_of(self, answer: Response, start: int, length: int, signed: str | None, repo_id: str) -> RangeResponse:
        if answer.status == 416:
            return RangeResponse(b"", content_range(answer.headers)[2], signed)
        if answer.status not in (200, 206):
            raise self._error_from_response(answer, repo_id)
        if answer.status == 200:  # the Range was ignored: what we want is somewhere in the whole file
            told = parse_int(answer.headers.get("content-length"))
            if len(answer.body) < min(start + length, told if told is not None else start + length):
                raise IncompleteResponse("the file broke off")
            return RangeResponse(answer.body[start : start + length], told, signed, ranged=False)
        first, last, size = content_range(answer.headers)
        if first != start or last is None:
            raise IncompleteResponse(f"bytes from {start} are due, {answer.headers.get('content-range')!r} came")
        if len(answer.body) < min(last - first + 1, length):
            raise IncompleteResponse("the file broke off")
        return RangeResponse(answer.body[:length], size, signed)

    # ---- how it is asked ----------------------------------------------------------------------------------------

    def _object(self, kind: RequestKind, path: str, params: Params, repo_id: str) -> Json:
        def once() -> Json:
            value, _ = self._json(kind, path, params, repo_id)
            if not isinstance(value, dict):
                raise IncompleteResponse(f"an object is due, {json_type_name(value)} came")
            return value

        return self._of_repo(repo_id, lambda: self._with_retries(path, once))

    def _list(
        self, kind: RequestKind, path: str, params: Params, cursor: str | None, repo_id: str | None = None
    ) -> tuple[list[Any], str | None]:
        rows, answer = self._json(kind, path, params, repo_id)
        if not isinstance(rows, list):
            raise IncompleteResponse(f"a list is due, {json_type_name(rows)} came")
        if len(rows) > MAX_ROWS_PER_PAGE:
            raise IncompleteResponse(f"a page of {len(rows):,} rows")
        return rows, self._next_cursor(answer, cursor)

    def _json(self, kind: RequestKind, path: str, params: Params, repo_id: str | None = None) -> tuple[Any, Response]:
        """One try. Raises Broken for what another may mend, else what the answer means."""
        answer = self._follow(kind, self.endpoint + path, params, {})
        if answer.status != 200:
            raise self._error_from_response(answer, repo_id)
        value = parse_json(answer)
        if isinstance(value, dict) and "error" in value and "_id" not in value:
            raise IncompleteResponse(f"200 with an error in it: {answer.message}")
        return value, answer

    def _of_repo(self, repo_id: str, ask: Callable[[], T]) -> T:
        """What goes wrong again and again with one repo's requests is that repo's trouble, unless nobody answers."""
        try:
            return ask()
        except (HubServerError, InvalidResponse) as error:
            raise RepoError("failed", error.why) from error

    def _with_retries(self, what: str, once: Callable[[], T], tries: int | None = None) -> T:
        """Tries until it works. Before the Hub's first answer nobody waits long; later its absence is waited out."""
        tries, failed = tries or self.tries, 0
        while True:
            try:
                return once()
            except IncompleteResponse as broken:
                failed += 1
                patience = tries if broken.connected else max(tries, 8) if self._reached else min(tries, 3)
                if failed >= patience:
                    raise self._final_error(what, broken) from broken
                self.pacer.pause(self.pause_before(failed))

    def pause_before(self, failed: int) -> float:
        """Seconds to wait after so many failures: doubled each time, and no two workers the same."""
        return min(30.0, self.backoff * 2.0 ** (failed - 1)) * random.uniform(0.75, 1.25)

    def _final_error(self, what: str, broken: IncompleteResponse) -> HubUnreachable:
        if not broken.connected:
            return HubUnreachable(self.endpoint, str(broken))
        if broken.status is not None:
            return HubServerError(self.endpoint, what, broken.status)
        return InvalidResponse(self.endpoint, what, str(broken))

    def _follow(
        self, kind: RequestKind, url: str, params: Params, headers: Mapping[str, str], cut: int | None = None
    ) -> Response:
        """One request and the redirects that follow from it. API requests never leave the endpoint's host."""
        for _ in range(5):
            at_home = origin(url) == self._origin
            if not at_home and kind != "resolve":
                raise IncompleteResponse(f"a redirect to a stranger's host, {urlsplit(url).hostname}")
            answer = self._send(kind if at_home else "cdn", url, params, headers, cut)
            place = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or not place:
                if answer.status >= 500 or answer.status == 408:
                    raise IncompleteResponse(f"status {answer.status}", status=answer.status)
                return answer
            url, params = urljoin(answer.url, place), []
            if not url.startswith(("https://", "http://" if self._origin[0] == "http" else "https://")):
                raise IncompleteResponse(f"a redirect to {urlsplit(url).scheme}:")
        raise IncompleteResponse("redirects without end")

    def _send(
        self, kind: RequestKind, url: str, params: Params, headers: Mapping[str, str], cut: int | None = None
    ) -> Response:
        """One request, again after each 429. The token goes along only to the endpoint's own host."""
        if self._offline:
            raise Offline
        own = {**self._headers, **headers}
        if kind == "cdn":
            own = {name: value for name, value in own.items() if name.lower() != "authorization"}
        while True:
            bucket = self._buckets.get(kind, "api")
            if kind == "cdn":
                self.pacer.check()
            else:
                self.pacer.acquire(bucket)
            self.counters.count_request(kind)
            answer: Response | None = None
            try:
                answer = self._once(url, params, own, cut)
            finally:
                if kind != "cdn":
                    self._report(kind, bucket, answer)
            self._reached = True
            if answer.status != 429:
                return answer
            if kind == "cdn":
                raise IncompleteResponse("status 429", status=429)
            if self.pacer.refusals(bucket) > MAX_429_IN_A_ROW:
                raise QuotaSpent(bucket, self.pacer.closed_for(bucket))

    def _report(self, kind: RequestKind, bucket: str, answer: Response | None) -> None:
        told = None if answer is None else rate_limit(answer.headers)
        status = None if answer is None else answer.status
        again = None if answer is None else retry_after(answer.headers)
        self.pacer.done(bucket, status, told, again)
        if told is not None and status is not None and status < 400:
            self._buckets[kind] = told.bucket  # the Hub says itself which quota this kind of request counts against

    def _once(self, url: str, params: Params, headers: Mapping[str, str], cut: int | None) -> Response:
        """One exchange, its body bounded in size and in time. `cut`: so many bytes are enough."""
        session, ends = self._session(), time.monotonic() + 8 * self.timeout
        timeout = httpx2.Timeout(self.timeout, connect=min(self.timeout, 10.0), pool=None)
        received = 0
        try:
            request = session.build_request("GET", url + encoded(tuple(params)), headers=headers, timeout=timeout)
            response = session.send(request, stream=True, follow_redirects=False)
            try:
                parts: list[bytes] = []
                size = 0
                for part in response.iter_bytes():
                    parts.append(part)
                    size += len(part)
                    if cut is not None and size >= cut:
                        break
                    if size > MAX_JSON_BYTES:
                        raise IncompleteResponse(f"an answer of more than {MAX_JSON_BYTES >> 20} MiB")
                    if time.monotonic() > ends:
                        raise IncompleteResponse("the answer trickles")
            finally:
                received = response.num_bytes_downloaded
                response.close()
        except OfflineModeIsEnabled:
            raise Offline from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol) as error:
            raise IncompleteResponse(plain(error), connected=False) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise IncompleteResponse(plain(error)) from error
        finally:
            self.counters.count_bytes(received)
        secret = headers.get("authorization", "").rpartition(" ")[2]
        return Response(response.status_code, response.headers, b"".join(parts), str(response.url), secret)

    # ---- what answers mean --------------------------------------------------------------------------------------

    def _error_from_response(self, answer: Response, repo_id: str | None) -> Exception:
        """What a 4xx means: for the run, or for the one repo that was asked for."""
        status, code, message = answer.status, answer.code, answer.message
        what = urlsplit(answer.url).path
        if status == 401 and "credentials" in message.lower() and self.has_token:
            return TokenRefused(self.endpoint)
        if status == 400:
            return RequestRefused(what, message or "no reason given")
        if repo_id is None:
            if status in (401, 403) and self.has_token:
                return TokenRefused(self.endpoint)
            return InvalidResponse(self.endpoint, what, f"status {status}{f': {message}' if message else ''}")
        if code == "GatedRepo" or "gated" in message.lower():
            return RepoError("gated", message or "its files need a token whose owner was granted access")
        if status == 403 and "disabled" in message.lower():
            return RepoError("disabled", message)
        if code in ("EntryNotFound", "RevisionNotFound"):
            return RepoError("unreadable", message or code)
        if status in (401, 404, 410) and (code or message or not repo_id):
            return RepoError("gone", message or "the Hub does not show it")
        return RepoError("private" if status == 403 else "failed", message or f"status {status}")

    def _next_cursor(self, answer: Response, asked: str | None) -> str | None:
        """Of the Link header, its `next`; one that leads elsewhere or in a circle is not followed."""
        for link in answer.headers.get("link", "").split(","):
            target, _, attributes = link.strip().partition(";")
            if 'rel="next"' in attributes.replace("'", '"').replace("rel=next", 'rel="next"'):
                url = urljoin(answer.url, target.strip().removeprefix("<").removesuffix(">"))
                if origin(url) != self._origin:
                    raise IncompleteResponse(
                        f"the next page is said to lie on a stranger's host, {urlsplit(url).hostname}"
                    )
                cursors = parse_qs(urlsplit(url).query).get("cursor")
                if not cursors or cursors[0] == asked:
                    raise IncompleteResponse("the next page is said to be the page itself")
                return cursors[0]
        return None


# ---- words ----------------------------------------------------------------------------------------------------------


def checked_endpoint(endpoint: str) -> str:
    """A URL without its last slash. Raises HubUnreachable for what is none."""
    parts = urlsplit(endpoint.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise HubUnreachable(endpoint.rpartition("@")[2], "an endpoint is a URL such as https://huggingface.co")
    return endpoint.strip().rstrip("/")


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


@lru_cache(maxsize=256)
def encoded(params: tuple[tuple[str, str], ...]) -> str:
    """The query of a URL: made once for all repos that are asked the same."""
    return f"?{urlencode(params)}" if params else ""


def own_version() -> str:
    try:
        return version("hf-catalog")
    except PackageNotFoundError:
        return "0"


def plain(error: Exception) -> str:
    """An error of the client in few words, without addresses that may hold a signature."""
    words = {
        "ConnectTimeout": "no connection in time",
        "ReadTimeout": "no answer in time",
        "WriteTimeout": "no answer in time",
        "ReadError": "the connection broke",
        "RemoteProtocolError": "the connection broke in the middle of an answer",
        "DecodingError": "an answer that can't be unpacked",
    }
    return words.get(type(error).__name__) or " ".join(str(error).split())[:200] or type(error).__name__


def rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    if "ratelimit" not in headers:
        return None
    told = parse_ratelimit_headers(headers)
    if told is None:
        return None
    return RateLimit(told.resource_type, told.remaining, told.reset_in_seconds, told.limit, told.window_seconds)
