-- title: Quantized models of unknown origin
-- description: Quantized repos whose base model is neither declared nor inferred, most downloaded first.
-- kind: report
select m.repo_id, m.author, m.family, m.size, m.quant, m.license, m.downloads
from models as m
where
    m.quantized and m.base_model is null and m.status <> 'gone'
    and not exists (select 1 from parents as p where p.repo_id = m.repo_id)
order by m.downloads desc nulls last, m.repo_id
limit 500
