-- title: Repos that hold each scheme, by year
-- description: How many repos created in a year hold at least one artifact with a scheme, and how many artifacts. A repo
--   counts once for each scheme that it holds, so that repos and their downloads do not add up over schemes.
--   unfinished marks the year of the last crawl.
-- kind: report
select
    substr(cast(created_at as varchar), 1, 4) as year,
    quant,
    count(*) as repos_with_it,
    sum(artifacts) as artifacts,
    count(distinct author) as publishers,
    sum(downloads) as downloads_of_these_repos,
    substr(cast(created_at as varchar), 1, 4) >= (
        select substr(cast(max(c.started_at) as varchar), 1, 4) from crawl_runs as c
    ) as unfinished
from repo_schemes
where quantized and created_at is not null and status <> 'gone'
group by substr(cast(created_at as varchar), 1, 4), quant
order by year desc, repos_with_it desc, quant
