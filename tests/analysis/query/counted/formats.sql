select
    format,
    count(*) as artifacts,
    count(distinct repo_id) as repos,
    sum(case when quantized then 1 else 0 end) as quantized_artifacts,
    sum(total_size) as total_size,
    avg(total_size) as mean_size
from artifacts_wide
where role = 'weights' and format is not null and status <> 'gone'
group by format
order by artifacts desc, format
