"""Speed and cost of a crawl of a sample Hub that runs in a separate process.

    python bench/crawl.py discover [--repos 20000] [--models FILE]     repos per second, from HTTP to the catalog
    python bench/crawl.py sweep    [--repos 20000] [--models FILE]     a listing without changes, against list_models
    python bench/crawl.py enrich   [--repos 3000]  [--models FILE]     enrichments per second, with file trees
    python bench/crawl.py memory   [--repos 300000] [--names FILE]     memory while a listing of that size is crawled
    python bench/crawl.py compare  [--repos 2000]  [--models FILE]     compared with a simple script
    python bench/crawl.py quota    [--repos 1500]                      share of each window's quota that a crawl uses

The Hub serves `--repos` repos: those of its built-in catalog or of a file, repeated under other owners. With `--names`
(real ids, one per line, plain or .gz) each repo has its own name and base model, so that names, tags and evidence grow
with the number of repos as on the real Hub. The simple script is a straightforward use of huggingface_hub:
list_models(full=True), then for each repo model_info(files_metadata=True) and, for those with safetensors,
get_safetensors_metadata, into SQLite.

Last figures (24 Nov 2026, two slow cores shared with the sample Hub):
  discover  40,000 repos of the file in 8.1, 8.1, 8.0, 8.2 and 8.4 s (4,929, 4,937, 5,028, 4,887, 4,780 per second),
            with a labelling process; 41 requests, peak memory 199 and 75 MB
  sweep     28 Nov 2026, two busy cores, 20,000 repos: first 12.2 x list_models of the same pages, nothing changed 0.9
            and 1.0 x (9 to 13 x before rows were known by digests)
  enrich    1,500 enrichments of the file in 8.2 s (183 per second); 34,142 files, 21,111 artifacts, one request each
  compare   462 repos: files 467 requests, 0.9 MB, 60,316 rows; headers 2,176 requests, 193 MB, 74,067 rows; repeated:
            1 request; the simple script 8,433 requests, 523 MB, 8,216 rows
  memory    3,000,000 repos with --names: peak 283 MB, and 106 MB of the labelling process (crawl 231 MB at 300,000, 250
            at 1,000,000, 265 at 3,000,000); catalog 8,903 MB; 2,005 s on a busy machine, 999 s of CPU time. A crawl
            into the catalog of bench/scale.py with 3,000,000 repos, with 509 enrichments: 180 MB
  memory    28 Nov 2026, 3,117,871 repos with --names, all of them in 1,754 s on two cores shared with a few other
            programs: 3,130 requests (3,118 pages), peak 284 MB, constant since 600,000 repos, and 107 MB of the
            labelling process; catalog 8,539 MB
  quota     900 enrichments: 100 % of every window used, no request refused
"""

from __future__ import annotations

import argparse
import gzip
import multiprocessing
import os
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
    os.environ.pop(name, None)

from samplehub import MEMBER, Catalog, Quota, SampleHub  # noqa: E402
from samplehub.content.catalog import Key, ListingQuery, ListingSlice  # noqa: E402
from samplehub.content.repo import Repo, commit_of, hub_time  # noqa: E402
from samplehub.server.server import read_catalog  # noqa: E402

BEGUN = datetime(2022, 3, 2, tzinfo=UTC)
CACHED_PARTS = ("files", "safetensors", "gguf", "config", "card", "evals")


def cached_parts(model: Repo) -> dict[str, Any]:
    """The parts of a repo that are expensive to compute, computed once for all repos that share them."""
    used = model.used_storage()
    return {part: getattr(model, part) for part in CACHED_PARTS} | {"used_storage": lambda: used}


class Endless:
    """A listing of any length that repeats some repos: none is stored, each is computed from its position."""

    version = 0

    def __init__(self, models: Catalog, count: int, names: Sequence[str] = ()) -> None:
        self._names = names
        self._models = [repo for repo in models if not repo.private and not repo.disabled]
        self._places = {repo.id: at for at, repo in enumerate(self._models)}
        self._cached_parts = [cached_parts(repo) for repo in self._models]
        self._count = count
        self._step = timedelta(seconds=120_000_000 / count)  # from March 2022 to the end of 2025

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Repo]:
        return map(self.at, range(self._count))

    def at(self, place: int) -> Repo:
        round_, at = divmod(place, len(self._models))
        model = self._models[at]
        owner, _, name = model.id.rpartition("/")
        repo_id, tags = f"{owner or 'x'}-{round_}/{name}" if round_ else model.id, model.tags
        if self._names:
            again, named = divmod(place, len(self._names))
            owner, _, name = self._names[named].rpartition("/")
            repo_id = f"{owner or 'x'}-{again}/{name}" if again else self._names[named]
            tags = (*tags, f"base_model:{self._names[place * 7919 % len(self._names)]}")
        created = BEGUN + place * self._step
        when = hub_time(created)
        repo = Repo(
            id=repo_id,
            created=when,
            modified=when,
            downloads=int(3e8 * (1 + (place * 7919) % self._count) ** -1.15),
            likes=model.likes if round_ == 0 else place % 7,
            tags=tags,
            pipeline=model.pipeline,
            library=model.library,
            gated=model.gated,
            base=model.base,
            relation=model.relation,
            hub_id=f"{int(created.timestamp()):08x}{place:016x}",
            sha=commit_of(place),
            parts=model.parts,
        )
        repo.__dict__.update(self._cached_parts[at])
        return repo

    def page(self, query: ListingQuery, after: Key | None, limit: int, shift: int = 0) -> ListingSlice:
        """Sorted by date only, ascending or descending; other orders give the order of dates, because there is no
        index.
        """
        seen = -1 if after is None else int(str(after[1])[8:], 16)
        step = 1 if query.ascending else -1
        first = (0 if query.ascending else self._count - 1) if after is None else seen + step
        last = min(first + limit, self._count) if query.ascending else max(first - limit, -1)
        repos = [self.at(place) for place in range(first, last, step)]
        more = repos and (last < self._count if query.ascending else last >= 0)
        return ListingSlice(repos, (repos[-1].created, repos[-1].hub_id) if more else None)

    def find(self, repo_id: str) -> Repo | None:
        owner, _, name = repo_id.rpartition("/")
        base, _, round_ = owner.rpartition("-")
        if repo_id in self._places:
            return self.at(self._places[repo_id])
        for known in (f"{base}/{name}", name):
            if round_.isdecimal() and known in self._places:
                place = int(round_) * len(self._models) + self._places[known]
                return self.at(place) if place < self._count else None
        return None

    def renamed(self, repo_id: str) -> str | None:
        return None

    def children(self, repo_id: str) -> Mapping[str, int]:
        return {}


def read_names(path: Path | None) -> Sequence[str]:
    if path is None:
        return ()
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        return [line.strip() for line in lines if line.strip()]


def serve(
    line: Connection, models: Path | None, count: int, names: Path | None = None, quota: Quota | None = None
) -> None:
    catalog: Any = Endless(read_catalog(models), count, read_names(names))
    with SampleHub(catalog=catalog, quota=quota) as hub:
        line.send(hub.endpoint)
        while (word := line.recv()) != "done":
            if word == "asked":
                line.send((len(hub.requests), sum(request.bytes for request in hub.requests)))
            else:
                line.send([(request.at, request.status) for request in hub.requests])
            hub.requests.clear()


@contextmanager
def hub(
    models: Path | None, count: int, names: Path | None = None, quota: Quota | None = None
) -> Iterator[tuple[str, Any]]:
    """A sample Hub in a separate process: its endpoint, and a function that returns (requests, bytes) since its last
    call.

    With the argument "log" the function returns (time, status) of each request instead.
    """
    context = multiprocessing.get_context("spawn")
    line, far = context.Pipe()
    process = context.Process(target=serve, args=(far, models, count, names, quota), daemon=True)
    process.start()

    def asked(word: str = "asked") -> Any:
        line.send(word)
        return line.recv()

    try:
        yield line.recv(), asked
    finally:
        line.send("done")
        process.join(10)


def crawl_of(
    endpoint: str,
    db: Path,
    depth: str,
    workers: int = 8,
    tell: Callable[[Any], None] | None = None,
    *,
    full: bool = False,
) -> tuple[float, Any]:
    from crawler.pipeline import crawl, ignore_progress
    from crawler.settings import CrawlSettings
    from crawler.sources.huggingface.client import HubClient
    from crawler.sources.huggingface.source import HuggingFaceSource
    from db.write.store import Store

    start, busy = time.perf_counter(), time.process_time()
    with Store.open(db, create=True) as store:
        settings = CrawlSettings(depth=depth, workers=workers, full=full)  # type: ignore[arg-type]
        run = crawl(store, HuggingFaceSource(HubClient(endpoint, MEMBER)), settings, tell or ignore_progress)[-1]
    print(f"          ({time.process_time() - busy:.1f} s of CPU time of this process)")
    return time.perf_counter() - start, run


def peak() -> float:
    """Peak memory of this process in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def labeller_peak() -> float:
    """Peak memory of the labelling process in megabytes, once it has ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000


def discover(models: Path | None, count: int, folder: Path) -> None:
    with hub(models, count) as (endpoint, _):
        seconds, run = crawl_of(endpoint, folder / "discover.db", "listing")
        rate = run.repos_seen / seconds
        print(f"discover: {run.repos_seen:,} repos in {seconds:.1f} s = {rate:,.0f} repos/s", end="; ")
        print(
            f"{run.api_requests:,} requests, {run.bytes_read / 1e6:.1f} MB,",
            f" peak {peak():.0f} and {labeller_peak():.0f} MB",
        )
        seconds, run = crawl_of(endpoint, folder / "discover.db", "listing")
        print(f"again:    {run.repos_seen:,} repos in {seconds:.1f} s, {run.repos_changed} changed")


def sweep(models: Path | None, count: int, folder: Path) -> None:
    """A first listing and two full ones in which nothing changed, each beside huggingface_hub's list_models of the same
    pages, in processor seconds with those of the labelling process."""
    from huggingface_hub import HfApi

    from crawler.sources.huggingface.client import HubClient

    def used() -> float:
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime

    with hub(models, count) as (endpoint, _):
        api, keys = HfApi(endpoint, token=MEMBER), list(HubClient(endpoint, MEMBER).api.keys)
        for what in ("first", "nothing changed", "nothing changed"):
            start = used()
            _, run = crawl_of(endpoint, folder / "sweep.db", "listing", full=True)
            own, start = used() - start, used()
            rows = sum(1 for _ in api.list_models(expand=keys))  # type: ignore[arg-type, misc]
            peer = used() - start
            print(f"{what:16}{run.repos_seen:,} repos {own:6.2f} s, list_models {rows:,} in {peer:5.2f} s:", end=" ")
            print(f"{own / peer:.2f}; {run.repos_new:,} new, {run.repos_changed:,} changed")


def enrich(models: Path | None, count: int, folder: Path) -> None:
    with hub(models, count) as (endpoint, _):
        crawl_of(endpoint, folder / "enrich.db", "listing")
        seconds, run = crawl_of(endpoint, folder / "enrich.db", "files")
        with sqlite3.connect(folder / "enrich.db") as connection:
            files = connection.execute("select count(*) from repo_files").fetchone()[0]
            artifacts = connection.execute("select count(*) from artifacts").fetchone()[0]
        print(
            f"enrich:   {run.repos_enriched:,} enrichments in {seconds:.1f} s"
            f" = {run.repos_enriched / seconds:,.0f} per second"
        )
        print(
            f"          {files:,} files, {artifacts:,} artifacts, {run.api_requests:,} requests,"
            f" {run.bytes_read / 1e6:.1f} MB"
        )


def current_memory() -> tuple[float, float]:
    """Memory of this process now, in megabytes: private, and mapped from the catalog's file."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    fields = {name: text.split()[0] for name, _, text in (line.partition(":") for line in lines) if text.strip()}
    return int(fields["RssAnon"]) / 1000, int(fields["RssFile"]) / 1000


def memory(models: Path | None, count: int, folder: Path, names: Path | None = None) -> None:
    start, printed = time.perf_counter(), 0

    def tell(progress: Any) -> None:
        nonlocal printed
        if progress.done >= printed + count // 30:
            printed, seconds = progress.done, time.perf_counter() - start
            own, mapped = current_memory()
            print(
                f"  {printed:9,} repos {seconds:6.0f} s {printed / seconds:6,.0f}/s, own {own:4.0f} MB,"
                f" mapped {mapped:4.0f} MB, peak {peak():4.0f} MB",
                flush=True,
            )

    with hub(models, count, names) as (endpoint, _):
        for what in ("memory:", "full:  "):
            start, printed = time.perf_counter(), 0
            seconds, run = crawl_of(endpoint, folder / "memory.db", "listing", tell=tell, full=what == "full:  ")
            size = (folder / "memory.db").stat().st_size / 1e6
            print(
                f"{what}   {run.repos_seen:,} repos in {seconds:.0f} s, {run.api_requests:,} requests,"
                f" peak {peak():.0f} and {labeller_peak():.0f} MB, catalog {size:,.0f} MB",
                flush=True,
            )


def run_simple_script(endpoint: str, db: Path) -> tuple[float, int]:
    """A straightforward script on huggingface_hub, for comparison."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, NotASafetensorsRepoError, SafetensorsParsingError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    api = HfApi(endpoint, token=MEMBER)
    start = time.perf_counter()
    connection = sqlite3.connect(db)
    connection.execute("create table models (id text primary key, author, downloads, likes, tags, library, modified)")
    connection.execute("create table files (id text, path text, size int, sha256 text)")
    connection.execute("create table tensors (id text, dtype text, parameters int)")
    for model in api.list_models(full=True):
        row = (model.id, model.author, model.downloads, model.likes, " ".join(model.tags or ()), model.library_name)
        connection.execute(
            "insert or replace into models values (?, ?, ?, ?, ?, ?, ?)", (*row, str(model.last_modified))
        )
        info = api.model_info(model.id, files_metadata=True)
        files = [(model.id, f.rfilename, f.size, f.lfs.sha256 if f.lfs else None) for f in info.siblings or ()]
        connection.executemany("insert into files values (?, ?, ?, ?)", files)
        if "safetensors" in (model.tags or ()):
            try:
                counts = api.get_safetensors_metadata(model.id).parameter_count
            except (HfHubHTTPError, NotASafetensorsRepoError, SafetensorsParsingError):
                counts = {}
            connection.executemany(
                "insert into tensors values (?, ?, ?)", [(model.id, *item) for item in counts.items()]
            )
    connection.commit()
    rows = sum(
        connection.execute(f"select count(*) from {name}").fetchone()[0] for name in ("models", "files", "tensors")
    )
    connection.close()
    return time.perf_counter() - start, rows


def compare(models: Path | None, count: int, folder: Path) -> None:
    with hub(models, count) as (endpoint, asked):
        for depth in ("files", "headers"):
            seconds, run = crawl_of(endpoint, folder / f"{depth}.db", depth)
            requests, size = asked()
            print_costs(f"hf-catalog, {depth}", requests, size, seconds, rows_of(folder / f"{depth}.db"))
        seconds, run = crawl_of(endpoint, folder / "headers.db", "headers")
        requests, size = asked()
        print_costs("hf-catalog, again", requests, size, seconds, run.repos_changed)
        os.environ["HF_ENDPOINT"] = endpoint
        seconds, rows = run_simple_script(endpoint, folder / "simple.db")
        requests, size = asked()
        print_costs("simple script", requests, size, seconds, rows)


def quota(models: Path | None, count: int, folder: Path) -> None:
    """Uses windows of ten seconds instead of the Hub's 300; the pacer's margin at its end stays one second."""
    allowed = Quota(api=200, window=10.0)
    with hub(models, count, quota=allowed) as (endpoint, asked):
        seconds, run = crawl_of(endpoint, folder / "quota.db", "files")
        log = asked("log")
    windows: list[list[int]] = []
    ends = 0.0
    for at, status in sorted(log):
        if at >= ends:
            ends = at + allowed.window
            windows.append([])
        windows[-1].append(status)
    used = [sum(status != 429 for status in window) for window in windows[:-1]]
    print(
        f"quota:    {run.repos_enriched:,} enrichments in {seconds:.0f} s,"
        f" {len(windows)} windows of {allowed.api} requests"
    )
    print(
        f"          used of each window but the last: {', '.join(f'{count / allowed.api:.1%}' for count in used)}",
        end="; ",
    )
    print(f"refused: {sum(window.count(429) for window in windows)}")
    print(f"          {seconds / (len(windows) * allowed.window):.2f} of the time of these windows")


def print_costs(who: str, requests: int, size: int, seconds: float, rows: int) -> None:
    print(f"{who:20} {requests:8,} requests {size / 1e6:9.1f} MB {seconds:8.1f} s {rows:10,} rows", flush=True)


def rows_of(db: Path) -> int:
    """Rows of all tables except those of runs, leases and search."""
    with sqlite3.connect(db) as connection:
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        kept = [
            n for n in names if not n.startswith(("sqlite_", "search_", "alembic", "crawl_", "enrichments", "cursors"))
        ]
        return sum(connection.execute(f'select count(*) from "{name}"').fetchone()[0] for name in kept)


MEASURES = {
    "discover": (discover, 20_000),
    "sweep": (sweep, 20_000),
    "enrich": (enrich, 3_000),
    "memory": (memory, 300_000),
    "compare": (compare, 2_000),
    "quota": (quota, 1_500),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", choices=MEASURES)
    parser.add_argument("--repos", type=int)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--names", type=Path, help="file of real ids, for `memory`")
    parser.add_argument("--dir", type=Path, help="keep the catalogs here")
    options = parser.parse_args()
    measure, usual = MEASURES[options.measure]
    with tempfile.TemporaryDirectory() as folder:
        more = {"names": options.names} if options.names and measure is memory else {}
        measure(options.models, options.repos or usual, options.dir or Path(folder), **more)


if __name__ == "__main__":
    main()
