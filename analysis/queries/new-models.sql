-- title: New repos
-- description: Repos that the catalog saw for the first time since a date, most downloaded first.
-- kind: report
-- param: since | date | 7d | the earliest time: 24h, 7d, 2026-11-01
select repo_id, author, family, size, quant, license, downloads, likes, created_at, first_seen
from models
where first_seen >= :since and status <> 'gone'
order by downloads desc nulls last, repo_id
limit 500
