-- title: Families by number of quants
-- description: How many quantized artifacts each family has, in how many schemes and by how many publishers.
-- kind: report
select
    t.a as family,
    t.artifacts,
    t.repos,
    (select count(*) from total_members as m where m.of = 'quantized scheme' and m.a = t.a) as schemes,
    (select count(*) from total_members as m where m.of = 'quantized author' and m.a = t.a) as publishers,
    t.qat_artifacts,
    case when t.sized_artifacts > 0 then t.total_size end as total_size
from totals as t
where t.of = 'quantized'
order by t.artifacts desc, family
