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
    r.first_seen as seen_at,
    r.repo_id,
    'new' as kind,
    null as subject,
    null as before,
    null as after,
    r.first_run as run_id,
    r.author,
    l.family,
    l.quant,
    r.downloads
from repos r
join repo_labels l on l.repo = r.id
