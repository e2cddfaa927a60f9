"""The Hub's API over a catalog: listing, info, tree, paths, headers of safetensors, who you are."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from samplehub.content.accounts import account_overview
from samplehub.content.catalog import ORDERS, Key, Listing, ListingQuery
from samplehub.content.file_content import Content, SafetensorsFile
from samplehub.content.repo import Files, Repo
from samplehub.server.http_server import Request, Response
from samplehub.server.payloads import (
    DEFAULT_ROWS,
    EXPANDABLE,
    FULL_ROW,
    INFOS,
    Rows,
    Shape,
    encode,
    folder_entry,
    tree_entry,
)
from samplehub.server.permissions import Access, Refusal

KINDS = ("models", "datasets", "spaces")
MAX_PAGE_ROWS = 1000
MAX_TREE_ROWS = 1000
MAX_TREE_ROWS_EXPANDED = 100
MAX_PATHS = 2000
VERBS = frozenset(
    {"leaderboard", "revision", "tree", "treesize", "paths-info", "safetensors-metadata", "refs", "commits"}
)
ASCENDING = ("createdAt", "id")  # the Hub refuses to sort the others from the least

FILE_VERBS = {"tree": "tree", "treesize": "tree", "paths-info": "paths-info", "safetensors-metadata": "metadata"}


def request_kind(segments: Sequence[str]) -> str:
    """Which of the places that faults name a path belongs to; `segments` are those after `/api/`."""
    if segments[0] not in KINDS:
        return "other"
    if len(segments) == 1 or segments[1] == "":
        return "listing"
    _, rest = split_id(segments[1:])
    return FILE_VERBS.get(rest[0], "info") if rest else "info"


def split_id(segments: Sequence[str]) -> tuple[str, list[str]]:
    """A repo's id, with or without an owner, and what follows it."""
    if len(segments) > 1 and segments[1] not in VERBS:
        return "/".join(segments[:2]), list(segments[2:])
    return segments[0], list(segments[1:])


def json_response(body: bytes, headers: dict[str, str] | None = None) -> Response:
    kind = {"Content-Type": "application/json; charset=utf-8", "Vary": "Origin"}
    return Response(200, kind | (headers or {}), body, compress=True)


class Api:
    """Answers what starts with /api/. Raises Refusal for everything that is not a 200."""

    def __init__(self, catalog: Listing, access: Access, kind: str = "models") -> None:
        self.kind = kind
        self.catalog = catalog
        self.access = access
        self.rows = Rows(catalog)
        self.endpoint = ""

    def answer(self, request: Request, segments: Sequence[str], shift: int = 0) -> Response:
        """`segments` are those after `/api/`; `shift` moves a page of the listing against its cursor."""
        if segments[0] == self.kind:
            if len(segments) == 1 or segments[1] == "":
                return self.listing(request, shift)
            repo_id, rest = split_id(segments[1:])
            return self._of_repo(request, repo_id, rest)
        if segments[0] == "users" and len(segments) == 3 and segments[2] == "overview":
            return self.owner(segments[1])
        if segments == ["whoami-v2"]:
            return self.whoami(request)
        if segments[0] in ("organizations", "users") and len(segments) == 3 and segments[2] == "overview":
            return self.account(segments[0], segments[1])
        if segments == ["agent-harnesses"]:
            return json_response(b"{}")
        raise Refusal(404, "Sorry, we can't find the page you are looking for.")

    def account(self, kind: str, name: str) -> Response:
        """The profile of a user or an organization that owns repos."""
        found = account_overview(kind, name) if self.catalog.page(ListingQuery(author=name), None, 1).repos else None
        if found is None:
            raise Refusal(404, "This account does not exist")
        return json_response(encode(found))

    # ---- the listing -----------------------------------------------------------------------------------------------

    def listing(self, request: Request, shift: int = 0) -> Response:
        query = request.query
        asked = dict(query)
        selection = self._listing_query(query, private=self.access.account(request) is not None)
        limit = parse_bounded_int(asked.get("limit"), MAX_PAGE_ROWS, 1, MAX_PAGE_ROWS)
        after = read_cursor(asked["cursor"], selection.sort) if asked.get("cursor") else None
        shape = row_shape(query, DEFAULT_ROWS[self.kind], expandable=EXPANDABLE[self.kind])
        page = self.catalog.page(selection, after, limit, shift)
        body = b"[" + b",".join(self.rows.row(repo, shape) for repo in page.repos) + b"]"
        headers = {}
        if page.after is not None:
            headers["Link"] = self._next(f"/api/{self.kind}", query, write_cursor(page.after, selection.sort))
        return json_response(body, headers)

    def _listing_query(self, query: list[tuple[str, str]], private: bool) -> ListingQuery:
        asked = dict(query)
        sort = asked.get("sort") or "trendingScore"
        if sort not in ORDERS:
            raise Refusal(400, f"Invalid sort {sort!r}: expected one of {join_names(ORDERS)}")
        ascending = asked.get("direction") == "1"
        if ascending and sort not in ASCENDING:
            raise Refusal(400, f"Ascending order is not allowed for sort {sort!r}")
        filters = [part for key, value in query if key == "filter" for part in value.split(",") if part]
        if self.kind == "datasets" and asked.get("benchmark") == "true":
            filters.append("benchmark:official")
        return ListingQuery(
            sort=sort,
            ascending=ascending,
            search=asked.get("search", ""),
            author=asked.get("author", ""),
            filters=tuple(sorted(set(filters))),
            pipeline=asked.get("pipeline_tag", ""),
            gated={"true": True, "false": False}.get(asked.get("gated", "")),
            parameters=read_bounds(asked["num_parameters"]) if asked.get("num_parameters") else None,
            private=private,
        )

    def _next(self, path: str, query: list[tuple[str, str]], cursor: str) -> str:
        pairs = [(key, value) for key, value in query if key != "cursor"] + [("cursor", cursor)]
        return f'<{self.endpoint}{path}?{urlencode(pairs)}>; rel="next"'

    # ---- one repo --------------------------------------------------------------------------------------------------

    def _of_repo(self, request: Request, repo_id: str, rest: list[str]) -> Response:
        repo = self.access.repo(request, repo_id, prefix=f"/api/{self.kind}/")
        if not rest:
            return self.info(request, repo, "main")
        verb, rest = rest[0], rest[1:]
        if verb == "revision" and rest:
            return self.info(request, repo, "/".join(rest))
        if verb == "refs":
            return self.refs(repo)
        if verb == "leaderboard" and self.kind == "datasets" and "leaderboard" in repo.card:
            return json_response(encode(repo.card["leaderboard"]))
        if verb == "commits":
            return json_response(encode([{"id": repo.sha, "title": "initial commit", "date": repo.modified}]))
        if verb == "safetensors-metadata" and rest:
            return self.safetensors_metadata(request, repo, "/".join(rest))
        if verb in ("tree", "treesize", "paths-info") and rest:
            commit, files = self.access.revision(repo, rest[0])
            method: Callable[[Request, Repo, str, Files, str], Response] = {
                "tree": self.tree,
                "treesize": self.tree_size,
                "paths-info": self.paths_info,
            }[verb]
            return method(request, repo, commit, files, "/".join(part for part in rest[1:] if part))
        raise Refusal(404, "Sorry, we can't find the page you are looking for.")

    def info(self, request: Request, repo: Repo, revision: str) -> Response:
        query = request.query
        blobs = dict(query).get("blobs") in ("true", "1")
        expandable = EXPANDABLE[self.kind]
        shape = row_shape(query, INFOS[self.kind], blobs=blobs, revision=revision, expandable=expandable)
        shape = replace(shape, scans=self.kind == "models" and dict(query).get("securityStatus") in ("true", "1"))
        commit, files = self.access.revision(repo, revision)
        return json_response(self.rows.row(repo, shape, commit, files))

    def refs(self, repo: Repo) -> Response:
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}
            for name, commit in repo.branches().items()
        ]
        tags = [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": commit}
            for name, commit in repo.tags_and_commits().items()
        ]
        return json_response(encode({"branches": branches, "converts": [], "tags": tags}))

    def tree(self, request: Request, repo: Repo, commit: str, files: Files, folder: str) -> Response:
        asked = dict(request.query)
        expand = asked.get("expand") in ("true", "1")
        entries = entries_of(files, folder, recursive=asked.get("recursive") in ("true", "1"))
        if folder and not entries:
            raise self.access.no_entry(commit, folder)
        most = MAX_TREE_ROWS_EXPANDED if expand else MAX_TREE_ROWS
        limit = parse_bounded_int(asked.get("limit"), most, 1, most)
        start = int(unpack(asked["cursor"]).get("start", 0)) if asked.get("cursor") else 0
        rows = [
            tree_entry(repo, path, content, expand) if content else folder_entry(repo, path, expand)
            for path, content in entries[start : start + limit]
        ]
        headers = {}
        if start + limit < len(entries):
            headers["Link"] = self._next(request.path, request.query, pack({"start": start + limit}))
        return json_response(encode(rows), headers)

    def tree_size(self, request: Request, repo: Repo, commit: str, files: Files, folder: str) -> Response:
        inside = f"{folder}/" if folder else ""
        size = sum(content.size for path, content in files.items() if path.startswith(inside))
        return json_response(encode({"path": folder, "size": size}))

    def paths_info(self, request: Request, repo: Repo, commit: str, files: Files, folder: str) -> Response:
        if request.method != "POST":
            raise Refusal(405, "Method Not Allowed")
        paths, expand = read_paths(request)
        if len(paths) > MAX_PATHS:
            raise Refusal(400, f"Too many paths: at most {MAX_PATHS}")
        rows = []
        for path in dict.fromkeys(paths):
            if path in files:
                rows.append(tree_entry(repo, path, files[path], expand))
            elif any(other.startswith(f"{path}/") for other in files):
                rows.append(folder_entry(repo, path, expand))
        return json_response(encode(rows))

    def safetensors_metadata(self, request: Request, repo: Repo, path: str) -> Response:
        """The headers of all shards of an index; for a file alone, of that file."""
        self.access.gate(request, repo)
        content = repo.files.get(path)
        if content is None:
            raise self.access.no_entry(repo.sha, path)
        folder = path.rpartition("/")[0]
        index: dict[str, Any] = {}
        shards = [path]
        if path.endswith(".index.json"):
            index = json.loads(content.head())
            shards = sorted(
                {f"{folder}/{shard}" if folder else shard for shard in index.get("weight_map", {}).values()}
            )
        headers = []
        for shard in shards:
            weights = repo.files.get(shard)
            if not isinstance(weights, SafetensorsFile):
                raise Refusal(400, f"{shard} is not a safetensors file")
            name = shard.removeprefix(f"{folder}/") if folder else shard
            headers.append(encode(name) + b":" + weights.header_json())
        start = encode({"metadata": index.get("metadata", {})})
        return json_response(b'{"index":' + start + b',"headers":{' + b",".join(headers) + b"}}")

    def owner(self, name: str) -> Response:
        """An account, which is as old as its first repo."""
        page = self.catalog.page(ListingQuery(sort="createdAt", author=name), None, MAX_PAGE_ROWS)
        if not page.repos:
            raise Refusal(404, "This user does not exist")
        created = min(repo.created for repo in page.repos)
        return json_response(encode({"user": name, "type": "user", "createdAt": created, "numModels": len(page.repos)}))

    def whoami(self, request: Request) -> Response:
        account = self.access.account(request)
        if account is None:
            raise self.access.anonymous()
        access_token = {"displayName": account.name, "role": "read"}
        return json_response(
            encode({"type": "user", "id": "0" * 24, "name": account.name, "auth": {"accessToken": access_token}})
        )


def row_shape(
    query: list[tuple[str, str]],
    keys: tuple[str, ...],
    *,
    blobs: bool = False,
    revision: str | None = None,
    expandable: Sequence[str] = EXPANDABLE["models"],
) -> Shape:
    """Which keys a query asks for. Raises Refusal with the valid set where it asks for an unknown one."""
    asked = dict(query)
    revision = None if revision == "main" else revision
    expand = [value for key, value in query if key in ("expand", "expand[]")]
    if expand:
        for value in expand:
            if value not in expandable:
                raise Refusal(400, f"Invalid option: expected one of {join_names(expandable)} at expand")
        wanted = tuple(dict.fromkeys([*expand, *(["siblings"] if blobs else [])]))
        return Shape(wanted, model_id=False, blobs=blobs, revision=revision)
    if asked.get("full") in ("true", "1"):
        keys = FULL_ROW
    more = [key for key, name in (("cardData", "cardData"), ("config", "config")) if asked.get(name) in ("true", "1")]
    return Shape(tuple(dict.fromkeys([*keys, *more])), blobs=blobs, revision=revision)


def entries_of(files: Files, folder: str, *, recursive: bool) -> list[tuple[str, Content | None]]:
    """The files and, with None, the folders below a folder, in the order of their paths."""
    inside = f"{folder}/" if folder else ""
    entries: dict[str, Content | None] = {}
    for path, content in files.items():
        if not path.startswith(inside):
            continue
        parts = path[len(inside) :].split("/")
        for depth in range(1, len(parts)):
            if recursive or depth == 1:
                entries[inside + "/".join(parts[:depth])] = None
        if recursive or len(parts) == 1:
            entries[path] = content
    return sorted(entries.items())


def read_paths(request: Request) -> tuple[list[str], bool]:
    """The body of paths-info: a form, as huggingface_hub sends it, or JSON."""
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            body = json.loads(request.body)
            paths = body["paths"]
        except (ValueError, TypeError, KeyError):
            raise Refusal(400, "Invalid body: expected paths") from None
        return [str(path) for path in ([paths] if isinstance(paths, str) else paths)], bool(body.get("expand"))
    pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    expand = dict(pairs).get("expand", "false").lower() == "true"
    return [value for key, value in pairs if key in ("paths", "paths[]")], expand


# ---- cursors and numbers -------------------------------------------------------------------------------------------


def pack(value: dict[str, Any]) -> str:
    return base64.b64encode(encode(value)).decode()


def unpack(cursor: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.b64decode(cursor, validate=True))
    except ValueError:
        raise Refusal(400, "Invalid cursor") from None
    if not isinstance(value, dict):
        raise Refusal(400, "Invalid cursor")
    return value


def write_cursor(after: Key, sort: str) -> str:
    """A keyset, as the Hub's: what the last row was sorted by, and its `_id`."""
    return pack({sort: after[0], "_id": {"$gt": after[1]}})


def read_cursor(cursor: str, sort: str) -> Key:
    value = unpack(cursor)
    try:
        return value[sort], value["_id"]["$gt"]
    except (KeyError, TypeError):
        raise Refusal(400, "Invalid cursor") from None


def parse_bounded_int(text: str | None, default: int, least: int, most: int) -> int:
    if text is None or text == "":
        return default
    if not text.isascii() or not text.isdigit():
        raise Refusal(400, f"Invalid limit {text!r}: expected a number")
    return max(least, min(int(text), most))


def read_bounds(text: str) -> tuple[int, int]:
    """`min:6B,max:128B`, either alone too."""
    bounds = {"min": 0, "max": 1 << 62}
    for part in text.split(","):
        name, _, value = part.partition(":")
        factor = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}.get(value[-1:].upper(), 1)
        try:
            bounds[name] = int(float(value.rstrip("KMBTkmbt")) * factor)
        except ValueError:
            raise Refusal(400, f"Invalid num_parameters {text!r}: expected min:6B,max:128B") from None
    return bounds["min"], bounds["max"]


def join_names(names: Any) -> str:
    return "|".join(f'"{name}"' for name in names)
