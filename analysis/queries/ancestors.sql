-- title: Ancestors of a model
-- description: The models that a model was made from, step by step; declared means that its card or tags state the
--   parent.
-- kind: interactive
-- param: model | text | unsloth/gemma-3-4b-it-GGUF | repo id of the model
with recursive line (repo_id, parent, relation, declared, missing, depth) as (
    select p.repo_id, coalesce(p.parent_id, p.parent), p.relation, p.declared, p.parent_id is null, 1
    from parents as p
    where lower(p.repo_id) = lower(:model)
    union
    select p.repo_id, coalesce(p.parent_id, p.parent), p.relation, p.declared, p.parent_id is null, line.depth + 1
    from line
    join parents as p on p.repo_id = line.parent
    where line.depth < 12
)
select depth, repo_id, relation, parent, declared, missing
from line
order by depth, repo_id, parent
