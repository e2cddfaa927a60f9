-- The quantization schemes that each model holds: one row per repo and scheme, with its artifacts of weights. A repo of
-- which no file says its scheme has the one of its labels, and no artifacts.
select
    r.repo_id,
    h.quant, -- text: the scheme, canonical
    h.quantized, -- boolean: false for full precision
    h.artifacts, -- integer: artifacts of weights with it; 0 where only the repo's labels tell
    h.total_size, -- integer: their bytes
    r.author,
    r.status,
    r.created_at,
    r.downloads,
    l.family,
    l.base_model,
    l.base_model_relation
from (
    select a.repo, a.quant, a.quantized, count(*) as artifacts, cast(sum(a.total_size) as bigint) as total_size
    from artifacts a
    where a.role = 'weights' and a.quant is not null
    group by a.repo, a.quant, a.quantized
    union all
    select o.repo, o.quant, o.quantized, 0, null
    from repo_labels o
    where o.quant is not null
        and not exists (
            select 1 from artifacts a where a.repo = o.repo and a.role = 'weights' and a.quant is not null
        )
) h
join repos r on r.id = h.repo and r.type = 'model'
join repo_labels l on l.repo = h.repo
