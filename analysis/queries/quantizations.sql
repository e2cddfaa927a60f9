-- title: Quantization schemes
-- description: All quantization schemes, with the number of artifacts and repos and the measured bits per weight.
-- kind: report
select
    a as quant,
    nullif(b, '') as quant_method,
    artifacts,
    repos,
    round(cast(microbits / 1000000.0 / nullif(measured_artifacts, 0) as numeric), 2) as mean_bits_per_weight,
    case when sized_artifacts > 0 then total_size end as total_size
from totals
where of = 'scheme'
order by artifacts desc, quant, quant_method
