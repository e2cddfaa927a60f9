-- title: Nominal and measured bits of schemes
-- description: Nominal bits of each scheme beside the least and the most measured bits per weight: embeddings with
--   more bits and rows that do not fit a block make small models much larger than the scheme's name says.
-- kind: report
select
    a as quant,
    max(cast(nullif(b, '') as integer)) / 10000.0 as nominal_bits,
    sum(artifacts) as measured_artifacts,
    round(cast(min(least) as numeric), 2) as least_bits_per_weight,
    round(cast(sum(microbits) / 1000000.0 / sum(measured_artifacts) as numeric), 2) as mean_bits_per_weight,
    round(cast(max(most) as numeric), 2) as most_bits_per_weight
from totals
where of = 'bits'
group by a
order by nominal_bits desc nulls last, quant
