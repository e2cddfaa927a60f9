"""Hubs of other software, with the API as each of them has it over the same catalog.

Sources: KohakuHub, https://github.com/KohakuBlueleaf/KohakuHub (api/repo/routers/info.py and tree.py); MatrixHub,
https://github.com/matrixhub-ai/hfd (pkg/backend/hf).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Any
from urllib.parse import urlencode

from samplehub.content.catalog import ListingQuery
from samplehub.content.repo import Repo
from samplehub.server.api_routes import Api, json_response, parse_bounded_int
from samplehub.server.http_server import Request, Response
from samplehub.server.payloads import encode, sibling
from samplehub.server.permissions import Refusal

KOHAKU_DEFAULT_ROWS = 50
KOHAKU_MAX_ROWS = 100_000
KOHAKU_SHA_LENGTH = 64
KOHAKU_ORDERS = {
    "recent": "createdAt",
    "updated": "lastModified",
    "likes": "likes",
    "downloads": "downloads",
    "trending": "trendingScore",
}
MATRIX_DEFAULT_ROWS = 1_000_000  # all


class Dialect(Enum):
    """Whose API a sample Hub has."""

    HUGGING_FACE = "huggingface.co"
    KOHAKU = "KohakuHub: no `_id` and no links in the listing, its own names of orders, empty errors"
    MATRIX = "MatrixHub: rows with no more than an id and tags, cursors that are offsets, small files without ranges"
    NO_LISTING = "a proxy that passes on requests for single repos and files, and has no listing"


class KohakuApi(Api):
    """A listing without pages, whose commits have 64 digits; errors without a body."""

    def answer(self, request: Request, segments: Sequence[str], shift: int = 0) -> Response:
        try:
            return super().answer(request, segments, shift)
        except Refusal as no:
            return kohaku_error(no.status, no.code or ("RepoNotFound" if no.status in (401, 404) else "BadRequest"))

    def listing(self, request: Request, shift: int = 0) -> Response:
        asked = dict(request.query)
        sort = asked.get("sort", "recent")
        limit = asked.get("limit", str(KOHAKU_DEFAULT_ROWS))
        if sort not in KOHAKU_ORDERS:
            return invalid_parameter("sort", sort, f"String should match pattern '^({'|'.join(KOHAKU_ORDERS)})$'")
        if not limit.isdecimal() or not 1 <= int(limit) <= KOHAKU_MAX_ROWS:
            return invalid_parameter("limit", limit, f"Input should be less than or equal to {KOHAKU_MAX_ROWS}")
        selection = ListingQuery(sort=KOHAKU_ORDERS[sort], author=asked.get("author", ""))
        page = self.catalog.page(selection, None, int(limit))
        return json_response(encode([self._row(repo) for repo in page.repos]))

    def info(self, request: Request, repo: Repo, revision: str) -> Response:
        if revision != "main":
            raise Refusal(404, "Not Found", "RevisionNotFound")
        row = self._row(repo) | {"_id": int(repo.hub_id[:6], 16), "modelId": repo.id, "sha": repo.sha}
        row |= {"disabled": False, "pipeline_tag": None, "library_name": None, "spaces": [], "models": []}
        row["siblings"] = [sibling(path, repo.files[path]) for path in sorted(repo.files)]
        return json_response(encode(row))

    def _row(self, repo: Repo) -> dict[str, Any]:
        return {
            "id": repo.id,
            "author": repo.author,
            "private": repo.private,
            "sha": long_sha(repo.sha),
            "lastModified": repo.modified,
            "createdAt": repo.created,
            "downloads": repo.downloads,
            "likes": repo.likes,
            "gated": False,
            "tags": [],
        }


class MatrixApi(Api):
    """A listing by id with the bare repos; info without sizes of files; a tree with an empty entry."""

    def listing(self, request: Request, shift: int = 0) -> Response:
        asked = dict(request.query)
        offset = read_offset(asked["cursor"]) if asked.get("cursor") else 0
        limit = parse_bounded_int(asked.get("limit"), MATRIX_DEFAULT_ROWS, 1, MATRIX_DEFAULT_ROWS)
        selection = ListingQuery(
            sort="id", ascending=True, search=asked.get("search", ""), author=asked.get("author", "")
        )
        repos = self.catalog.page(selection, None, offset + limit + 1).repos[offset:]
        headers = {}
        if len(repos) > limit:
            cursor = base64.urlsafe_b64encode(encode({"offset": offset + limit})).decode()
            pairs = [(key, value) for key, value in request.query if key != "cursor"] + [("cursor", cursor)]
            headers["Link"] = f'<{self.endpoint}/api/models?{urlencode(pairs)}>; rel="next"'
        return json_response(encode([self._row(repo) for repo in repos[:limit]]), headers)

    def info(self, request: Request, repo: Repo, revision: str) -> Response:
        commit, files = self.access.revision(repo, revision)
        row = self._row(repo) | {"sha": commit, "private": False, "disabled": False, "gated": False}
        row |= {"downloads": 0, "likes": 0, "cardData": dict(repo.card) or None, "usedStorage": repo.used_storage()}
        row["siblings"] = [{"rfilename": path} for path in sorted(files)]
        return json_response(encode(row))

    def tree(self, request: Request, repo: Repo, commit: str, files: Any, folder: str) -> Response:
        response = super().tree(request, repo, commit, files, folder)
        response.body = encode([{}, *json.loads(response.body)])
        return response

    def _row(self, repo: Repo) -> dict[str, Any]:
        row = {"id": repo.id, "modelId": repo.id, "tags": list(repo.tags)}
        named = {"pipeline_tag": repo.pipeline, "library_name": repo.library}
        return row | {key: value for key, value in named.items() if value}


class NoListingApi(Api):
    """Single repos only."""

    def listing(self, request: Request, shift: int = 0) -> Response:
        return Response(404, {"Content-Type": "text/html"}, b"<html><title>404 Not Found</title></html>")


APIS: dict[Dialect, type[Api]] = {
    Dialect.HUGGING_FACE: Api,
    Dialect.KOHAKU: KohakuApi,
    Dialect.MATRIX: MatrixApi,
    Dialect.NO_LISTING: NoListingApi,
}


def without_range(request: Request) -> Request:
    """The request without its Range header."""
    return replace(request, headers={name: value for name, value in request.headers.items() if name != "range"})


def long_sha(sha: str) -> str:
    """A commit of KohakuHub's listing: the first 40 digits are those of the repo's own response."""
    return (sha + hashlib.sha256(sha.encode()).hexdigest())[:KOHAKU_SHA_LENGTH]


def read_offset(cursor: str) -> int:
    try:
        return int(json.loads(base64.urlsafe_b64decode(cursor))["offset"])
    except (ValueError, KeyError, TypeError):
        return 0


def kohaku_error(status: int, code: str) -> Response:
    return Response(status, {"X-Error-Code": code, "Content-Type": "application/json"}, b"")


def invalid_parameter(name: str, value: str, message: str) -> Response:
    """As FastAPI refuses a parameter of the query."""
    detail = [{"type": "string_pattern_mismatch", "loc": ["query", name], "msg": message, "input": value}]
    return Response(422, {"Content-Type": "application/json"}, encode({"detail": detail}))
