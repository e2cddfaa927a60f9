"""`hf-catalog identify`: which repo, revision and quantization local model files are, and whether they are current."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analysis.untrusted import check_text
from crawler.cli.errors import NO, CommandError
from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Column, Printer, size_text

if TYPE_CHECKING:
    from analysis.fit.machines import Machine
    from analysis.local.hash_files import Advance
    from analysis.local.identify import Identified, ReportHashing
    from analysis.local.known import AskedRepo
    from analysis.local.records import LocalArtifact, ScanProblem
    from analysis.local.roots import Root
    from analysis.local.scan import Scan
    from analysis.local.verdict import Identity
    from analysis.query.reader import CatalogReader

STALE_AFTER = timedelta(days=1)
"""Age of the catalog's knowledge of a repo from which on `--online` asks for it again."""

MAX_ASKED_REPOS = 200
MAX_NAMED_PROBLEMS = 5
MAX_ADVICE_LINES = 10


class RootType(click.ParamType):  # type: ignore[type-arg]  # generic only in newer clicks
    """STORE=PATH."""

    name = "root"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from analysis.local.roots import LAYOUTS, Root

        store, sign, folder = str(value).partition("=")
        if not sign or store not in LAYOUTS:
            self.fail(f"{value!r} is not STORE=PATH with one of the stores {', '.join(LAYOUTS)}", param, ctx)
        if not Path(folder).expanduser().is_dir():
            self.fail(f"{folder!r} is no folder", param, ctx)
        return Root(store, Path(folder).expanduser())


def root_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--root STORE=PATH`, for the commands that look at local files."""
    return click.option(
        "--root",
        "roots",
        multiple=True,
        type=RootType(),
        metavar="STORE=PATH",
        help="Where a store is, instead of its usual folders: lmstudio=/data/models; repeatable.",
    )(command)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@root_option
@click.option("--no-hash", is_flag=True, help="Compare names and sizes only: nothing but folders is read.")
@click.option("--online", is_flag=True, help="Ask the Hub for repos that the catalog lacks or has not read for a day.")
@db_option
@output_options
def identify(
    paths: tuple[Path, ...], roots: tuple[Root, ...], no_hash: bool, online: bool, db: str, out: Printer
) -> None:
    """Which repo, revision and quantization model files on this machine are, and whether they are current.

    Without a path: the stores of huggingface_hub, Ollama, LM Studio, llama.cpp, GPT4All, Jan, ComfyUI,
    text-generation-webui, Docker Model Runner and ModelScope, and the folders that config.toml names.

    No file is changed. Hashes are kept in the user's cache folder, so that a file is hashed once.

    \b
    Examples:
      hf-catalog identify
      hf-catalog identify ~/models --no-hash
      hf-catalog identify model-Q4_K_M.gguf --json
      hf-catalog identify --root lmstudio=/data/lmstudio --online
    """
    from analysis.local.scan import Scan
    from analysis.query.reader import CatalogReader

    with CatalogReader(db) as reader:
        scan = Scan()
        artifacts = find_local(scan, paths, roots)
        found = identify_all(reader, artifacts, no_hash, online, out)
        if not out.quiet:
            found = with_advice(reader, found)
    print_identities(found, out)
    print_problems([*scan.problems, *found.problems], out)


# ---- finding and comparing ------------------------------------------------------------------------------------------


def find_local(scan: Scan, paths: Sequence[Path], roots: Sequence[Root]) -> list[LocalArtifact]:
    """The artifacts of the paths, or of all stores. Raises CommandError for a path that is not there."""
    from analysis.local.find import Place, find_local_artifact, find_local_artifacts, find_place

    known = local_roots(roots)
    if not paths:
        return [each for root in known for each in find_local_artifacts(scan, root.folder, Place(root))]
    found: list[LocalArtifact] = []
    seen: set[frozenset[tuple[int, int]]] = set()
    for path in paths:
        if path.is_dir():
            artifacts = list(find_local_artifacts(scan, path, find_place(path, known)))
        else:
            artifact = find_local_artifact(scan, path, find_place(path, known))
            if artifact is None:
                what = "is no regular file" if path.exists() else "no such file or folder"
                raise CommandError(f"{path}: {what}", "name a model file or a folder; without a path all stores", NO)
            artifacts = [artifact]
        found += [each for each in artifacts if each.identities not in seen]
        seen |= {each.identities for each in artifacts}
    return found


def local_roots(named: Sequence[Root]) -> list[Root]:
    """The folders of stores: those that the user names, the usual ones of the other stores, those of config.toml."""
    from analysis.local.roots import Root, System, find_roots
    from crawler.cli.user_config import user_config

    stores = {root.store for root in named}
    usual = [root for root in find_roots(System()) if root.store not in stores]
    configured = [Root("folder", Path(folder)) for folder in user_config().folders if Path(folder).is_dir()]
    return [*named, *usual, *configured]


def identify_all(
    reader: CatalogReader, artifacts: Sequence[LocalArtifact], no_hash: bool, online: bool, out: Printer
) -> Identified:
    """What the artifacts are, by the catalog, and by the Hub if it is to be asked."""
    from analysis.local.hash_cache import HashCache
    from analysis.local.identify import identify_artifacts
    from analysis.local.known import Known

    with HashCache() as cache, hash_progress(out) as report:
        used = None if no_hash else cache
        found = identify_artifacts(Known(reader), artifacts, used, report)
        if online and (asked := ask_hub(found, out)):
            again = [each.artifact for each in found.identities]  # with their hashes
            found = identify_artifacts(Known(reader, asked), again, used)
    return found


def ask_hub(found: Identified, out: Printer) -> list[AskedRepo]:
    """The repos of the artifacts as the Hub holds them now: those that the catalog lacks or read too long ago."""
    from crawler.ask_hub import ask_for_repos
    from crawler.sources.huggingface.client import HubClient

    wanted = list(dict.fromkeys(repo for each in found.identities if (repo := stale_repo(each)) is not None))
    if len(wanted) > MAX_ASKED_REPOS:
        out.message(f"Asking for {MAX_ASKED_REPOS} of {len(wanted):,} repos; name fewer paths to ask for the others.")
    if not wanted:
        return []
    return list(ask_for_repos(HubClient(None), wanted[:MAX_ASKED_REPOS]))


def stale_repo(identity: Identity) -> str | None:
    """The repo that the Hub is asked for; None where the catalog's knowledge is new enough or no repo is known."""
    repo, origin = identity.verdict.repo, identity.artifact.origin
    if repo is None:
        return check_text(origin.repo_id) if origin else None
    since = (datetime.now(UTC) - STALE_AFTER).isoformat()
    return repo.repo_id if repo.visited_at is None or repo.visited_at < since else None


def with_advice(reader: CatalogReader, found: Identified) -> Identified:
    """The answers with what would be better on this machine."""
    from dataclasses import replace

    from analysis.local.advice import advise

    return replace(found, identities=advise(reader, this_machine(), found.identities))


def this_machine() -> Machine:
    """The machine of config.toml, else the one that this is."""
    from analysis.fit.detect import detect_machine
    from analysis.fit.machines import find_preset
    from crawler.cli.user_config import user_config

    preset = user_config().machine
    return find_preset(preset) if preset else detect_machine()


@contextmanager
def hash_progress(out: Printer) -> Iterator[ReportHashing]:
    """Reports hashing: a bar with the rate and the remaining time on a terminal, otherwise nothing."""
    if not out.shows_progress:
        yield lambda files, size: lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("Hashing {task.fields[files]}"), BarColumn(10), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:

        def start(files: int, size: int) -> Advance:
            task = bar.add_task("", total=size, files=f"{files:,} {'file' if files == 1 else 'files'}")
            return lambda count: bar.advance(task, count)

        yield start


# ---- printing -------------------------------------------------------------------------------------------------------


def as_row(identity: Identity) -> dict[str, Any]:
    """One artifact as a JSON object."""
    artifact, verdict = identity.artifact, identity.verdict
    repo, replacement = verdict.repo, verdict.replacement
    return {
        "path": str(artifact.path),
        "name": artifact.name,
        "store": artifact.store,
        "state": verdict.state,
        "repo_id": repo.repo_id if repo else None,
        "revision": verdict.revision,
        "file": verdict.file,
        "role": artifact.role,
        "quant": verdict.quant,
        "size": artifact.size,
        "license": repo.license if repo else None,
        "evidence": verdict.evidence,
        "confidence": verdict.confidence,
        "detail": verdict.detail,
        "since": verdict.since,
        "changes": list(verdict.changes),
        "replaced_by": None
        if replacement is None
        else {
            "file": replacement.artifact,
            "sha256": replacement.content,
            "size": replacement.size,
            "revision": replacement.repo.sha,
        },
        "sha256": artifact.content,
        "repos": [each.repo_id for each in verdict.holders],
        "candidates": list(verdict.candidates),
        "base_model": verdict.base_model or (repo.base_model if repo else None),
        "copies": list(identity.copies),
        "savable_size": identity.savable_size,
        "advice": [asdict(each) for each in identity.advice],
        "files": [{"path": str(file.shown), "size": file.size, "sha256": file.sha256} for file in artifact.files],
        "missing_shards": artifact.missing_shards,
    }


def file_name(name: str) -> str:
    """The last part of an artifact's name."""
    return name.rpartition("/")[2]


COLUMNS = (
    Column("name", "file", text=file_name, clip=False),
    Column("state", clip=False),
    Column("repo_id", "repo"),
    Column("size", text=size_text, right=True, clip=False),
    Column("evidence", "by", clip=False),
    Column("store", clip=False),
    Column("quant", "quantization"),
    Column("detail"),
    Column("license"),
    Column("revision"),
)


def short_path(path: str) -> str:
    """A path with ~ for the user's folder."""
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path


def print_identities(found: Identified, out: Printer) -> None:
    rows = [as_row(each) for each in found.identities]
    names = None if rows else ("path", "store", "state", "repo_id")
    out.rows(
        rows,
        COLUMNS,
        names=names,
        id_key="repo_id",
        empty="No model files found; name a folder: hf-catalog identify PATH",
    )
    if not rows or not out.is_human_output:
        return
    states = Counter(each.verdict.state for each in found.identities)
    out.line()
    out.line(
        f"{len(rows):,} {'artifact' if len(rows) == 1 else 'artifacts'}, {size_text(size_on_disk(found))}: "
        + ", ".join(f"{count:,} {state}" for state, count in states.most_common())
    )
    copies = [each for each in found.identities if each.savable_size]
    if copies:
        out.line(f"Copies of other files take {size_text(found.savable_size)}:")
        for each in copies[:MAX_ADVICE_LINES]:
            out.line(f"  {short_path(str(each.artifact.path))} = {short_path(each.copies[0])}")
    print_advice(found, out)


def size_on_disk(found: Identified) -> int:
    """Bytes on disk, each file once."""
    sizes = {file.identity: file.size for each in found.identities for file in each.artifact.files}
    return sum(sizes.values())


def print_advice(found: Identified, out: Printer) -> None:
    lines = [(each, advice) for each in found.identities for advice in each.advice]
    for each, advice in lines[:MAX_ADVICE_LINES]:
        out.line()
        out.line(f"{file_name(each.artifact.name)}: {advice.text}")
        out.line(f"  {advice.command}")
    if len(lines) > MAX_ADVICE_LINES:
        out.message(f"{len(lines) - MAX_ADVICE_LINES:,} more suggestions: --json shows all")


def print_problems(problems: Sequence[ScanProblem], out: Printer) -> None:
    """What could not be read, on stderr."""
    for problem in problems[:MAX_NAMED_PROBLEMS]:
        out.message(f"Not read: {problem.path}: {problem.reason}")
    if len(problems) > MAX_NAMED_PROBLEMS:
        out.message(f"and {len(problems) - MAX_NAMED_PROBLEMS:,} more")
