-- The changes of models, datasets and spaces; the view changes has those of models with their labels.
select
    e.at as seen_at,
    r.repo_id,
    r.type,
    e.kind,
    e.subject,
    e.before,
    e.after,
    e.run as run_id
from events e
join repos r on r.id = e.repo
union all
select
    r.first_seen,
    r.repo_id,
    r.type,
    'new',
    null,
    null,
    null,
    r.first_run
from repos r
