-- needs: parents
-- Every ancestor of every repo: depth 1 is a parent. relation is how the repo's line leaves the ancestor (the last step),
-- missing says that the catalog does not hold the ancestor, cycle that the line has come back to where it was. Twelve
-- steps at most. Ask for one repo through the query ancestors; this view reckons all of them.
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
    repo_id, -- text: the repo whose line this is
    ancestor, -- text: id of today where the catalog holds it, else as the child writes it
    relation, -- text: finetune, quantized, adapter, merge or unknown: the last step of the line
    declared, -- boolean: every step is declared by the Hub's data, none inferred
    depth, -- integer: steps between them; 1 is a parent
    missing, -- boolean: the catalog does not hold the ancestor
    cycle, -- boolean: the line has come back to a repo it went through
    not missing
    and not cycle
    and not exists (select 1 from parents p where p.repo_id = line.ancestor) as root -- boolean: the line ends here
from line
