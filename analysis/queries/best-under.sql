-- title: Best copy of a model under a size
-- description: The files of a model and of its quantized copies up to a size, most bits per weight first. Sizes of
--   files only: `hf-catalog fits` adds the cache and shows what runs.
-- kind: interactive
-- param: model | text | google/gemma-3-4b-it | repo id of the original
-- param: size | size | 4GB | the greatest size of the files
select
    a.repo_id,
    a.artifact,
    a.format,
    a.quant,
    a.bits_per_weight,
    a.total_size,
    a.qat,
    a.imatrix,
    a.dynamic,
    a.downloads
from artifacts_wide as a
where
    a.repo_id in (
        select m.repo_id from models as m where lower(m.base_model) = lower(:model) and m.base_model_relation = 'quantized'
        union
        select m.repo_id from models as m where lower(m.repo_id) = lower(:model)
    )
    and a.role = 'weights' and a.main and a.status <> 'gone' and a.total_size <= :size
order by coalesce(a.bits_per_weight, a.bits) desc nulls last, a.qat desc nulls last, a.downloads desc nulls last, a.repo_id, a.artifact
limit 30
