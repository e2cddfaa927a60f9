-- title: Popular models without quantized copies
-- description: Text generators at full precision with no quantized copy in the catalog, most downloaded first.
-- kind: report
select m.repo_id, m.family, m.size, m.license, m.gated, m.total_size, m.downloads
from models as m
where
    not coalesce(m.quantized, false) and m.pipeline_tag = 'text-generation' and m.status <> 'gone'
    and not exists (
        select 1
        from edges as e
        where lower(e.parent) = lower(m.repo_id) and e.relation = 'quantized'
    )
order by m.downloads desc nulls last, m.repo_id
limit 200
