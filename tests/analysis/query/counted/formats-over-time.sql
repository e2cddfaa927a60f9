select
    substr(cast(created_at as varchar), 1, 4) as year,
    coalesce(format, 'format unknown') as format,
    count(*) as repos,
    round(
        cast(100.0 * count(*) / sum(count(*)) over (partition by substr(cast(created_at as varchar), 1, 4)) as numeric), 1
    ) as percent_of_year,
    sum(downloads) as downloads,
    substr(cast(created_at as varchar), 1, 4) >= (
        select substr(cast(max(c.started_at) as varchar), 1, 4) from crawl_runs as c
    ) as unfinished
from models
where created_at is not null and status <> 'gone'
group by substr(cast(created_at as varchar), 1, 4), coalesce(format, 'format unknown')
order by year desc, repos desc, format
