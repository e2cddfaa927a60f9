-- title: Descendants of a model
-- description: Every quantized copy, fine-tune, adapter and merge of a model, and their descendants.
-- kind: interactive
-- param: model | text | google/gemma-3-4b-it | repo id of the original
with recursive line (repo_id, parent, relation, depth) as (
    select p.repo_id, coalesce(p.parent_id, p.parent), p.relation, 1
    from parents as p
    where
        lower(p.parent) in (
            select lower(cast(:model as text))
            union all
            select lower(a.repo_id)
            from aliases as a
            join repos as r on r.id = a.repo and r.type = 'model'
            where lower(r.repo_id) = lower(:model)
        )
    union
    select p.repo_id, coalesce(p.parent_id, p.parent), p.relation, line.depth + 1
    from line
    join parents as p on lower(p.parent) = lower(line.repo_id)
    where line.depth < 8
)
select line.depth, line.repo_id, line.relation, line.parent, m.quant, m.format, m.total_size, m.downloads
from line
join models as m on m.repo_id = line.repo_id
order by line.depth, m.downloads desc nulls last, line.repo_id, line.parent
