-- title: Crawls
-- description: Crawl runs: the repos that they saw, and their requests, bytes and waiting times.
-- kind: report
select
    id,
    kind,
    scope,
    started_at,
    finished_at,
    outcome,
    repos_seen,
    repos_new,
    repos_changed,
    repos_skipped,
    repos_enriched,
    api_requests,
    resolver_requests,
    bytes_read,
    seconds_waited,
    detail
from crawl_runs
order by id desc
limit 100
