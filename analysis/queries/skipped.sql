-- title: Skipped entries
-- description: What the crawls could not read, by reason, with one example each.
-- kind: report
select
    reason,
    count(*) as entries,
    count(distinct repo_id) as repos,
    min(repo_id) as example,
    min(seen_at) as first_seen,
    max(seen_at) as last_seen
from skips
group by reason
order by entries desc, reason
