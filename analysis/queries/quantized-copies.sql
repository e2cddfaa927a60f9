-- title: Quantized copies of a model
-- description: Who quantized a model, with which schemes, and how big the copies are.
-- kind: interactive
-- param: model | text | google/gemma-3-4b-it | repo id of the original
select
    m.repo_id,
    m.author,
    a.artifact,
    a.format,
    a.quant,
    a.bits_per_weight,
    a.total_size,
    a.qat,
    m.downloads
from models as m
join artifacts_wide as a on a.repo_id = m.repo_id
where lower(m.base_model) = lower(:model) and a.role = 'weights' and m.quantized and m.status <> 'gone'
order by a.total_size nulls last, m.repo_id, a.artifact
