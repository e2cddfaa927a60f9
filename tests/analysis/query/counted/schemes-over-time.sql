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
