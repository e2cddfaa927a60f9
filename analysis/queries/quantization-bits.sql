-- title: Nominal and measured bits of schemes
-- description: Nominal bits of each scheme beside the least and the most measured bits per weight: embeddings with
--   more bits and rows that do not fit a block make small models much larger than the scheme's name says.
-- kind: report
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
