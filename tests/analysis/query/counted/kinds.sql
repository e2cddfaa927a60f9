select
    kind,
    count(*) as repos,
    round(cast(100.0 * count(*) / sum(count(*)) over () as numeric), 1) as percent_of_repos,
    count(distinct author) as publishers,
    sum(downloads) as downloads,
    round(cast(100.0 * sum(downloads) / nullif(sum(sum(downloads)) over (), 0) as numeric), 1) as percent_of_downloads,
    sum(case when base_model is null then 1 else 0 end) as without_base_model
from models
where status <> 'gone'
group by kind
order by repos desc, kind
