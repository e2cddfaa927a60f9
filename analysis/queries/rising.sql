-- title: Rising and falling
-- description: How the monthly downloads of repos moved since a day that the catalog remembers; after the first crawl
--   there is only the standing.
-- kind: report
-- param: since | text | 2000-01-01 | the first day to look at, yyyy-mm-dd
select
    g.repo_id,
    g.family,
    g.quant,
    min(g.day) as first_day,
    max(g.day) as last_day,
    sum(coalesce(g.downloads_change, 0)) as downloads_change,
    sum(coalesce(g.likes_change, 0)) as likes_change,
    max(m.downloads) as downloads
from growth as g
join models as m on m.repo_id = g.repo_id
where g.day >= :since and m.status <> 'gone'
group by g.repo_id, g.family, g.quant
order by abs(sum(coalesce(g.downloads_change, 0))) desc, max(m.downloads) desc nulls last, g.repo_id
limit 200
