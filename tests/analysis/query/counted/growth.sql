select
    substr(cast(created_at as varchar), 1, 7) as month,
    count(*) as new_repos,
    sum(case when kind = 'original' then 1 else 0 end) as originals,
    sum(case when kind = 'finetune' then 1 else 0 end) as finetunes,
    sum(case when kind = 'adapter' then 1 else 0 end) as adapters,
    sum(case when kind = 'merge' then 1 else 0 end) as merges,
    sum(case when kind = 'quantized' then 1 else 0 end) as quantized_repos,
    sum(case when kind = 'conversion' then 1 else 0 end) as conversions,
    sum(case when kind = 'unknown' then 1 else 0 end) as unknown,
    sum(count(*)) over (order by substr(cast(created_at as varchar), 1, 7)) as repos_until_then,
    substr(cast(created_at as varchar), 1, 7) >= (
        select substr(cast(max(c.started_at) as varchar), 1, 7) from crawl_runs as c
    ) as unfinished
from models
where created_at is not null and status <> 'gone'
group by substr(cast(created_at as varchar), 1, 7)
order by month desc
