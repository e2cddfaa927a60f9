select
    family,
    count(*) as artifacts,
    count(distinct repo_id) as repos,
    count(distinct quant) as schemes,
    count(distinct author) as publishers,
    sum(case when qat then 1 else 0 end) as qat_artifacts,
    sum(total_size) as total_size
from artifacts_wide
where family is not null and quantized and role = 'weights' and status <> 'gone'
group by family
order by artifacts desc, family
