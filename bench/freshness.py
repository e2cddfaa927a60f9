"""Freshness of a catalog: the order of the enrichment queue compared with simpler orders, at the quota of each plan.

    python bench/freshness.py [--repos 3000000] [--days 60] [--metrics daily_metrics.csv.xz]

A simulation of `--repos` repos over `--days` days. Every step spends its requests first on the incremental listing (one
request per thousand changed repos), then, once a week, on a full listing (one per thousand repos), and the rest on
enrichments, one request per repo. Quotas are those of three million repos, scaled to the number simulated.

Popularity and change: with `--metrics` (daily snapshots: date,id,downloads,likes,lastModified), each repo takes the
commits of a real one of the same rank by downloads. Downloads follow a Zipf law with the long tail of the Hub (most
repos have almost none). Without it, commits decline exponentially with the same mean.

Fresh means that the last enrichment saw the current commit. Orders:
  queue         priority of db.write.queue over the repos that the listing shows as new or changed
  oldest first  of those, the one whose last enrichment is longest ago (never enriched: the oldest repo first)
  round robin   the repo whose last enrichment is longest ago, changed or not: a script without a listing of changes

Last figures (3,000,000 repos, 60 days, real metrics, 11 minutes on one core): the table in docs/operations.md. With an
anonymous quota the queue has 95 % of the downloads fresh after 1.8 days, oldest first after 20, round robin after 25;
with a free token after 1.0, 10 and 13.
"""

from __future__ import annotations

import argparse
import csv
import lzma
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from db.write.queue import priority

Floats = NDArray[np.float64]
PLANS = {"anonymous": 500, "free": 1_000, "PRO": 2_500, "Enterprise": 6_000}  # api requests in five minutes
HUB = 3_000_000
STEP_HOURS = 6
NEW_A_DAY = 3_500  # on the whole Hub


def population(n: int, metrics: Path | None, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """(downloads per month, commits per day) of n repos."""
    ranks = rng.permutation(n) + 1
    downloads = np.floor(3e8 * (HUB / n * ranks) ** -1.15)  # a Zipf law: the first has 300 million, the last ten
    if metrics is None:
        return downloads, rng.exponential(0.01, n)
    rows: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
    with lzma.open(metrics, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[row["id"]].append((row["date"], int(row["downloads"] or 0), row["lastModified"]))
    known: list[tuple[float, float]] = []
    for seen in rows.values():
        days = (datetime.fromisoformat(seen[-1][0]) - datetime.fromisoformat(seen[0][0])).days
        if days >= 30:
            commits = len({modified for _, _, modified in seen}) - 1
            known.append((float(np.mean([count for _, count, _ in seen])), commits / days))
    known.sort()
    rates = np.array([rate for _, rate in known])
    # A simulated repo takes the commits of a real one of about the same rank by downloads.
    place = (1 - ranks / n) * (len(rates) - 1) + rng.normal(0, 5, n)
    return downloads, rates[np.clip(place.round().astype(int), 0, len(rates) - 1)]


def priorities(downloads: Floats, visited: Floats, rhythm: Floats, now: float, pending: NDArray[np.intp]) -> Floats:
    """db.write.queue.priority over arrays; times in hours."""
    value = 1 + np.log1p(downloads[pending])
    age = now - visited[pending]
    base = np.where(np.isneginf(visited[pending]), 2.0, 1 + np.minimum(1.0, age / np.maximum(rhythm[pending], 24.0)))
    priority_of_each: Floats = value * base
    return priority_of_each


def check_formula() -> None:
    """Asserts that `priorities` gives what db.write.queue.priority gives."""
    ours = priorities(np.array([5_000.0]), np.array([10.0]), np.array([240.0]), 70.0, np.array([0]))[0]
    theirs = priority(downloads=5_000, visited=True, changed=True, age=60 * 3600.0, rhythm=240 * 3600.0)
    assert abs(ours - theirs) < 1e-9, (ours, theirs)


def simulate(
    order: str, quota: int, downloads: np.ndarray, rates: np.ndarray, days: int, seed: int
) -> dict[str, float]:
    """Fresh shares at the end, and the mean share by downloads over all steps after the first week."""
    rng = np.random.default_rng(seed)
    n = len(downloads)
    scale = n / HUB
    requests = quota * 12 * STEP_HOURS * scale
    visited = np.full(n, -np.inf)  # hours since the start
    changed = np.zeros(n, dtype=bool)
    born = np.zeros(n)
    born[rng.choice(n, int(NEW_A_DAY * scale * days), replace=False)] = rng.uniform(
        0, days * 24, int(NEW_A_DAY * scale * days)
    )
    rhythm = 24 / np.maximum(rates, 1e-4)
    weights = downloads / downloads.sum()
    by_downloads, steps = 0.0, 0
    left = 0.0
    first_full = float("nan")
    for step in range(days * 24 // STEP_HOURS):
        now = float((step + 1) * STEP_HOURS)
        alive = born <= now
        hit = alive & (rng.random(n) < 1 - np.exp(-rates * STEP_HOURS / 24))
        changed |= hit & ~np.isneginf(visited)
        left += requests - hit.sum() / 1_000
        if step % (7 * 24 // STEP_HOURS) == 0:
            left -= n / 1_000
        budget = int(max(0.0, left))
        if order == "round robin":
            pending = np.flatnonzero(alive)
            score = -np.where(np.isneginf(visited[pending]), born[pending] - 1e6, visited[pending])
        else:
            pending = np.flatnonzero(alive & (changed | np.isneginf(visited)))
            if order == "queue":
                score = priorities(downloads, visited, rhythm, now, pending)
            else:
                score = -np.where(np.isneginf(visited[pending]), born[pending] - 1e6, visited[pending])
        if budget < len(pending):
            pending = pending[np.argpartition(-score, budget)[:budget]] if budget else pending[:0]
        visited[pending] = now
        changed[pending] = False
        left -= len(pending)
        left = min(left, requests)  # the quota of a window that is not used is lost
        fresh = alive & ~changed & ~np.isneginf(visited)
        share = float(weights[fresh].sum() / weights[alive].sum())
        if np.isnan(first_full) and share >= 0.95:
            first_full = now / 24
        if now > 7 * 24:
            by_downloads += share
            steps += 1
    return {
        "fresh repos": float(fresh.sum() / alive.sum()),
        "fresh downloads": share,
        "mean fresh downloads": by_downloads / max(1, steps),
        "days to 95 % of downloads": first_full,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repos", type=int, default=3_000_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--metrics", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    check_formula()
    downloads, rates = population(args.repos, args.metrics, np.random.default_rng(args.seed))
    print(f"{args.repos:,} repos, {args.days} days, {rates.mean():.4f} commits per repo and day")
    print("| plan | order | fresh by downloads, mean | at the end | fresh repos | days to 95 % of downloads |")
    print("|---|---|---:|---:|---:|---:|")
    for plan, quota in PLANS.items():
        for order in ("queue", "oldest first", "round robin"):
            got = simulate(order, quota, downloads, rates, args.days, args.seed)
            print(
                f"| {plan} | {order} | {got['mean fresh downloads']:.1%} | {got['fresh downloads']:.1%}"
                f" | {got['fresh repos']:.1%} | {got['days to 95 % of downloads']:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
