-- title: Dynamic quantizations compared with plain schemes
-- description: By scheme: bits per weight of artifacts whose types differ between layers (UD, dynamic), and of plain
--   ones.
-- kind: report
select
    t.a as quant,
    case when t.b = '1' then 'dynamic' else 'plain' end as how,
    t.artifacts,
    (
        select count(*) from total_members as m where m.of = 'dynamic author' and m.a = t.a and m.b = t.b
    ) as publishers,
    round(cast(t.microbits / 1000000.0 / nullif(t.measured_artifacts, 0) as numeric), 2) as mean_bits_per_weight
from totals as t
where t.of = 'dynamic' and t.a in (select d.a from totals as d where d.of = 'dynamic' and d.b = '1')
order by quant, how
