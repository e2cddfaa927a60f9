-- needs: parents
-- Every ancestor of every repo: depth 1 is a parent. relation is that of the last step, from the ancestor,
-- missing means that the ancestor is not in the catalog, cycle that the path returned to a repo on it. At most twelve
-- steps. For one repo use the saved query ancestors; this view computes all of them.
with recursive line (repo_id, ancestor, relation, declared, depth, missing, cycle, path) as (
    select
        p.repo_id,
        coalesce(p.parent_id, p.parent),
        p.relation,
        p.declared,
        1,
        p.parent_id is null,
        coalesce(p.parent_id, p.parent) = p.repo_id,
        '|' || p.repo_id || '|' || coalesce(p.parent_id, p.parent) || '|'
    from parents p
    union all
    select
        l.repo_id,
        coalesce(p.parent_id, p.parent),
        p.relation,
        l.declared and p.declared,
        l.depth + 1,
        p.parent_id is null,
        instr(l.path, '|' || coalesce(p.parent_id, p.parent) || '|') > 0,
        l.path || coalesce(p.parent_id, p.parent) || '|'
    from line l
    join parents p on p.repo_id = l.ancestor
    where not l.cycle and l.depth < 12
)
select
    repo_id, -- text: the repo whose ancestors these are
    ancestor, -- text: its current id if it is in the catalog, otherwise as the child states it
    relation, -- text: finetune, quantized, adapter, merge or unknown: the last step of the path
    declared, -- boolean: every step is declared by the Hub's data, none inferred
    depth, -- integer: steps between them; 1 is a parent
    missing, -- boolean: the ancestor is not in the catalog
    cycle, -- boolean: the path returned to a repo on it
    not missing
    and not cycle
    and not exists (select 1 from parents p where p.repo_id = line.ancestor) as root -- boolean: the path ends here
from line
