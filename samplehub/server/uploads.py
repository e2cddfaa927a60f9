"""Data set repos that a client makes: creation, pre-upload, commits, and their files again, as the Hub answers them.

https://huggingface.co/docs/hub/api and huggingface_hub's own client (`create_commit`) say what is sent. Every file is
taken as a regular one: its content comes with the commit, in base64. They are kept in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from samplehub.server.http_server import Request, Response
from samplehub.server.permissions import Account, Refusal

NO_CONTENT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"[:40]


@dataclass
class UploadedRepo:
    """One data set. `sha` changes with each commit."""

    id: str
    private: bool
    owner: str
    files: dict[str, bytes] = field(default_factory=dict)
    sha: str = NO_CONTENT
    commits: list[str] = field(default_factory=list)


def answer_json(value: Any) -> Response:
    return Response(200, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(value).encode())


class Uploads:
    """Answers requests about the data sets that clients made; None for all others."""

    def __init__(self, account: Callable[[Request], Account | None]) -> None:
        self.account = account
        self.repos: dict[str, UploadedRepo] = {}

    def answer(self, request: Request, endpoint: str) -> Response | None:
        """Raises Refusal where the account may not do it."""
        segments = request.segments
        if request.method == "POST" and segments == ["api", "repos", "create"]:
            return self.create(request, endpoint)
        if request.method == "POST" and segments == ["api", "validate-yaml"]:  # the metadata block of a card
            return answer_json({"errors": [], "warnings": []})
        at_api = segments[:2] == ["api", "datasets"]
        name = segments[2:4] if at_api else segments[1:3] if segments[0] == "datasets" else []
        repo = self.repos.get("/".join(name))
        if repo is None:
            return None
        rest = segments[4:] if at_api else segments[3:]
        if not at_api:
            return self.resolve(request, repo, rest)
        if repo.private and self.account(request) is None:
            raise Refusal(401, "Invalid username or password.", "RepoNotFound")
        if request.method == "POST" and rest[:1] == ["preupload"]:
            self.check_owner(request, repo)
            wanted = json.loads(request.body)["files"]
            modes = [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False} for each in wanted]
            return answer_json({"files": modes, "commitOid": repo.sha})
        if request.method == "POST" and rest[:1] == ["commit"]:
            return self.commit(request, repo, endpoint)
        if rest[:1] == ["tree"]:
            return answer_json([tree_row(path, content) for path, content in sorted(repo.files.items())])
        siblings = [{"rfilename": path} for path in sorted(repo.files)]
        return answer_json({"_id": "6" * 24, "id": repo.id, "author": repo.owner, "sha": repo.sha, "siblings": siblings,
                            "private": repo.private, "gated": False, "disabled": False, "tags": [], "downloads": 0,
                            "likes": 0})  # fmt: skip

    def create(self, request: Request, endpoint: str) -> Response:
        account = self.account(request)
        if account is None:
            raise Refusal(401, "Invalid username or password.")
        asked = json.loads(request.body)
        owner = asked.get("organization") or account.name
        repo_id = f"{owner}/{asked['name']}"
        if owner != account.name:
            raise Refusal(403, f"You don't have the rights to create a dataset under the namespace {owner!r}")
        known = repo_id in self.repos
        self.repos.setdefault(repo_id, UploadedRepo(repo_id, bool(asked.get("private")), owner))
        answer = answer_json({"url": f"{endpoint}/datasets/{repo_id}", "name": repo_id, "id": "6" * 24})
        return Response(409 if known else 200, answer.headers, answer.body)

    def check_owner(self, request: Request, repo: UploadedRepo) -> None:
        account = self.account(request)
        if account is None or account.name != repo.owner:
            raise Refusal(403, "Authorization error.")

    def commit(self, request: Request, repo: UploadedRepo, endpoint: str) -> Response:
        """Applies the lines of a commit: `file` with its content in base64, `deletedFile`."""
        self.check_owner(request, repo)
        files = dict(repo.files)
        summary = ""
        for line in request.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                summary = value["summary"]
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "deletedFile":
                files.pop(value["path"], None)
            else:
                raise Refusal(400, f"{entry['key']!r} is not expected in a commit of regular files")
        repo.files = files
        repo.commits.append(summary)
        content = "".join(f"{path}\0{hashlib.sha1(data).hexdigest()}\n" for path, data in sorted(files.items()))
        repo.sha = hashlib.sha1(f"{len(repo.commits)}\n{content}".encode()).hexdigest()
        url = f"{endpoint}/datasets/{repo.id}/commit/{repo.sha}"
        return answer_json({"success": True, "commitOid": repo.sha, "commitUrl": url, "hookOutput": ""})

    def resolve(self, request: Request, repo: UploadedRepo, rest: list[str]) -> Response | None:
        if len(rest) < 3 or rest[0] != "resolve":
            return None
        content = repo.files.get("/".join(rest[2:]))
        if content is None or rest[1] not in ("main", repo.sha):
            raise Refusal(404, "Entry not found", "EntryNotFound")
        headers = {
            "ETag": f'"{blob_id(content)}"', "X-Repo-Commit": repo.sha, "Content-Type": "application/octet-stream",
            "Content-Length": str(len(content)),
        }  # fmt: skip
        return Response(200, headers, content)


def blob_id(content: bytes) -> str:
    """Git's sha1 of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def tree_row(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "oid": blob_id(content), "size": len(content), "path": path}
