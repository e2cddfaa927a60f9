-- title: Re-uploads
-- description: The same bytes (sha256) in more than one repo: how often, in which repo first, and the bytes stored
--   repeatedly.
-- kind: report
with repeated as (
    select content
    from artifacts
    where content is not null
    group by content
    having count(*) > 1
),
shared as (
    select content, count(distinct repo) as repos
    from artifacts
    where content in (select content from repeated) and role in ('weights', 'adapter')
    group by content
    having count(distinct repo) > 1
)
select
    lower(hex(s.content)) as sha256,
    s.repos,
    max(a.total_size) as size,
    max(a.total_size) * (s.repos - 1) as repeated_size,
    min(r.repo_id) as first_by_name,
    max(r.repo_id) as last_by_name
from shared as s
join artifacts as a on a.content = s.content
join repos as r on r.id = a.repo
group by s.content, s.repos
order by repeated_size desc nulls last, sha256
limit 500
