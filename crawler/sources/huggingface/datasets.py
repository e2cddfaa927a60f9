"""Data sets of the Hub as folders: a snapshot is uploaded in one commit, and fetched again.

By huggingface_hub's own upload and download, which move only the chunks that the Hub lacks.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from crawler.errors import HubUnreachable, TokenRefused, UnknownDataset
from crawler.sources.huggingface.session import shared_session

REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")


def upload_folder(folder: Path, repo_id: str, *, private: bool) -> str:
    """Makes a folder the content of a data set repo, which is created where it is new; the address of the commit.

    Files that the folder has no longer are deleted. Raises UnknownDataset, TokenRefused, ProxyInvalid, HubUnreachable.
    """
    if REPO_ID.fullmatch(repo_id) is None:
        raise UnknownDataset(repo_id, "a data set is named owner/name")
    shared_session()
    api = HfApi(library_name="hf-catalog")
    try:
        api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id, folder_path=folder, repo_type="dataset", delete_patterns=["*.parquet"],
            commit_message="Snapshot of the catalog",
        )  # fmt: skip
    except HfHubHTTPError as error:
        raise to_error(error, repo_id) from error
    except OSError as error:
        raise HubUnreachable(api.endpoint, str(error)) from error
    return str(commit.commit_url)


def download_dataset(url: str, folder: Path) -> Path:
    """Fetches a data set into a folder and returns it: `hf://datasets/OWNER/NAME[@REVISION]`, or its address.

    Raises UnknownDataset, TokenRefused, ProxyInvalid, HubUnreachable.
    """
    repo_id, revision = parse_dataset_url(url)
    shared_session()
    try:
        snapshot_download(repo_id, repo_type="dataset", revision=revision, local_dir=folder)
    except HfHubHTTPError as error:
        raise to_error(error, repo_id) from error
    except OSError as error:
        raise HubUnreachable(constants.ENDPOINT, str(error)) from error
    return folder


def parse_dataset_url(url: str) -> tuple[str, str | None]:
    """The repo and revision that a URL names. Raises UnknownDataset."""
    parts = urlsplit(url)
    path = f"{parts.netloc}{parts.path}" if parts.scheme == "hf" else parts.path
    found = re.fullmatch(r"/?datasets/(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<at>[\w./-]+)|/tree/(?P<tree>[\w./-]+))?/?", path)
    own_host = parts.scheme == "hf" or parts.netloc in (urlsplit(constants.ENDPOINT).netloc, "huggingface.co", "hf.co")
    if found is None or not own_host:
        raise UnknownDataset(url, "write it as hf://datasets/OWNER/NAME or https://huggingface.co/datasets/OWNER/NAME")
    return found["repo"], found["at"] or found["tree"]


def to_error(error: HfHubHTTPError, repo_id: str) -> Exception:
    """What a refusal of the Hub means."""
    if isinstance(error, RepositoryNotFoundError):
        return UnknownDataset(repo_id, "the Hub has no such data set, or the token may not see it")
    if error.response is not None and error.response.status_code in (401, 403):
        return TokenRefused(constants.ENDPOINT)
    return HubUnreachable(constants.ENDPOINT, str(error).splitlines()[0])
