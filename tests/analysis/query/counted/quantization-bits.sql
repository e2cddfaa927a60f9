select
    quant,
    max(bits) as nominal_bits,
    count(*) as measured_artifacts,
    round(cast(min(bits_per_weight) as numeric), 2) as least_bits_per_weight,
    round(cast(avg(bits_per_weight) as numeric), 2) as mean_bits_per_weight,
    round(cast(max(bits_per_weight) as numeric), 2) as most_bits_per_weight
from artifacts_wide
where role = 'weights' and quant is not null and bits_per_weight is not null
group by quant
order by nominal_bits desc nulls last, quant
