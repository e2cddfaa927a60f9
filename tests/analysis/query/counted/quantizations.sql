select
    quant,
    quant_method,
    count(*) as artifacts,
    count(distinct repo_id) as repos,
    round(cast(avg(bits_per_weight) as numeric), 2) as mean_bits_per_weight,
    sum(total_size) as total_size
from artifacts_wide
where role = 'weights' and quant is not null and status <> 'gone'
group by quant, quant_method
order by artifacts desc, quant, quant_method
