-- The changes of repos: kind is new, renamed, commit, licence, gated, ungated, private, disabled, gone, back, label,
-- new file, changed file, removed file, new artifact or removed artifact; subject is what changed.
select
    e.at as seen_at,
    r.repo_id,
    e.kind,
    e.subject,
    e.before,
    e.after,
    e.run as run_id,
    r.author,
    l.family,
    l.quant,
    r.downloads
from events e
join repos r on r.id = e.repo
join repo_labels l on l.repo = r.id
union all
select
    r.first_seen,
    r.repo_id,
    'new',
    null,
    null,
    null,
    r.first_run,
    r.author,
    l.family,
    l.quant,
    r.downloads
from repos r
join repo_labels l on l.repo = r.id
