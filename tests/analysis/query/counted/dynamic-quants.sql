select
    quant,
    case when dynamic then 'dynamic' else 'plain' end as how,
    count(*) as artifacts,
    count(distinct author) as publishers,
    round(cast(avg(bits_per_weight) as numeric), 2) as mean_bits_per_weight
from artifacts_wide
where
    role = 'weights' and format = 'gguf' and quantized
    and quant in (select w.quant from artifacts_wide as w where w.dynamic and w.role = 'weights')
group by quant, case when dynamic then 'dynamic' else 'plain' end
order by quant, how
