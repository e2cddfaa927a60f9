-- title: Repos that hold each scheme, by year
-- description: How many repos created in a year hold at least one artifact with a scheme, and how many artifacts. A repo
--   counts once for each scheme that it holds, so that repos and their downloads do not add up over schemes.
--   unfinished marks the year of the last crawl.
-- kind: report
select
    t.a as year,
    t.b as quant,
    t.repos as repos_with_it,
    t.artifacts,
    (select count(*) from total_members as m where m.of = 'year author' and m.a = t.a and m.b = t.b) as publishers,
    case when t.counted_repos > 0 then t.downloads end as downloads_of_these_repos,
    t.a >= (select substr(cast(max(c.started_at) as varchar), 1, 4) from crawl_runs as c) as unfinished
from totals as t
where t.of = 'year'
order by year desc, repos_with_it desc, quant
