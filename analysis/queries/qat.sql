-- title: QAT compared with quantization after training
-- description: By family: copies with quantization-aware training and those quantized after training, with measured
--   bits per weight.
-- kind: report
select
    t.a as family,
    case when t.b = '1' then 'QAT' else 'post-training' end as how,
    t.artifacts,
    t.repos,
    (select count(*) from total_members as m where m.of = 'qat scheme' and m.a = t.a and m.b = t.b) as schemes,
    round(cast(t.microbits / 1000000.0 / nullif(t.measured_artifacts, 0) as numeric), 2) as mean_bits_per_weight,
    cast(t.least as bigint) as least_size,
    cast(t.most as bigint) as most_size
from totals as t
where t.of = 'qat' and t.a in (select q.a from totals as q where q.of = 'qat' and q.b = '1')
order by family, how
