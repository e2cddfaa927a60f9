-- title: Containers
-- description: How many artifacts of weights each container holds, and how many bytes.
-- kind: report
select
    b as format,
    sum(artifacts) as artifacts,
    sum(repos) as repos,
    sum(quantized_artifacts) as quantized_artifacts,
    case when sum(sized_artifacts) > 0 then sum(total_size) end as total_size,
    1.0 * sum(total_size) / nullif(sum(sized_artifacts), 0) as mean_size
from totals
where of = 'format'
group by b
order by artifacts desc, format
