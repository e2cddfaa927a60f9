select
    coalesce(pipeline_tag, 'no task stated') as pipeline_tag,
    count(*) as repos,
    sum(case when quantized then 1 else 0 end) as quantized_repos,
    count(distinct family) as families,
    sum(downloads) as downloads
from models
where status <> 'gone'
group by coalesce(pipeline_tag, 'no task stated')
order by downloads desc nulls last, pipeline_tag
