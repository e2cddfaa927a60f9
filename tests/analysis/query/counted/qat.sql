select
    family,
    case when qat then 'QAT' else 'post-training' end as how,
    count(*) as artifacts,
    count(distinct repo_id) as repos,
    count(distinct quant) as schemes,
    round(cast(avg(bits_per_weight) as numeric), 2) as mean_bits_per_weight,
    min(total_size) as least_size,
    max(total_size) as most_size
from artifacts_wide
where
    role = 'weights' and quantized and status <> 'gone'
    and family in (select w.family from artifacts_wide as w where w.qat and w.role = 'weights')
group by family, case when qat then 'QAT' else 'post-training' end
order by family, how
