-- title: Re-uploads
-- description: The same bytes (sha256) in more than one repo: how often, where first, and the bytes held more than once.
-- kind: report
select
    f.sha256,
    count(distinct f.repo_id) as repos,
    max(f.size) as size,
    max(f.size) * (count(distinct f.repo_id) - 1) as repeated_size,
    min(f.repo_id) as first_by_name,
    max(f.repo_id) as last_by_name
from files as f
where f.sha256 is not null and f.size > 1000000
group by f.sha256
having count(distinct f.repo_id) > 1
order by repeated_size desc nulls last, f.sha256
limit 500
