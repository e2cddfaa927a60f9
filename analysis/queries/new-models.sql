-- title: New repos
-- description: Repos that the catalog saw for the first time since a date, most downloaded first.
-- kind: report
-- param: since | date | 7d | the earliest time: 24h, 7d, 2026-11-01
with found as (
    select r.id, r.repo_id, r.downloads
    from repos as r
    where r.first_seen >= :since and r.status <> 'gone' and r.type = 'model'
    order by r.downloads desc nulls last, r.repo_id
    limit 500
)
select r.repo_id, r.author, l.family, l.size, l.quant, r.license, r.downloads, r.likes, r.created_at, r.first_seen
from found as f
join repos as r on r.id = f.id
join repo_labels as l on l.repo = f.id
order by f.downloads desc nulls last, f.repo_id
