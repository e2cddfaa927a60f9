"""Stage two: the repos that the catalog ranks first get their files, artifacts, headers, and the labels that follow."""

from __future__ import annotations

from concurrent.futures import Executor

from crawler.enrich.queue import EnrichmentQueue
from crawler.run_recorder import RunRecorder


def enrich(recorder: RunRecorder, executor: Executor) -> None:
    """Enriches the named repos of the scope, or else its whole backlog, to the depth of the settings.

    Raises CrawlStopped, and CrawlError where the run can't continue, after what was found is stored.
    """
    EnrichmentQueue(recorder, executor).run()
