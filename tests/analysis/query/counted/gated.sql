select
    family,
    count(*) as repos,
    sum(case when gated is not null then 1 else 0 end) as gated_repos,
    sum(case when gated = 'manual' then 1 else 0 end) as by_hand,
    round(cast(100.0 * sum(case when gated is not null then 1 else 0 end) / count(*) as numeric), 1) as percent_gated,
    round(
        cast(
            100.0 * sum(case when gated is not null then downloads else 0 end) / nullif(sum(downloads), 0) as numeric
        ),
        1
    ) as percent_of_downloads
from models
where family is not null and status <> 'gone'
group by family
order by gated_repos desc, family
