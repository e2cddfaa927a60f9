-- What speaks against trusting a repo, one row a finding: kind is scan, pickle, unsafe format, custom code, template,
-- reused name or changed licence; subject is the file or the label. A repo without a row is not proved safe.
select
    r.repo_id,
    'scan' as kind, -- text: scan, pickle, unsafe format, custom code, template, reused name, changed licence
    f.path as subject, -- text: the file, artifact or label that it is about
    f.scan_status as value, -- text: what was found
    'the Hub''s scanners' as source, -- text: who says so
    r.last_modified as at, -- time: when it came to be, as far as known
    r.downloads
from repo_files f
cross join repos r -- in this order: few files have findings, and an index holds them
where r.id = f.repo and r.type = 'model' and f.scan_status in ('caution', 'suspicious', 'unsafe', 'error')
union all
select r.repo_id, 'pickle', a.artifact, a.pickle_verdict, 'opcodes', r.last_modified, r.downloads
from artifacts a
join repos r on r.id = a.repo
where a.pickle_verdict in ('suspicious', 'dangerous')
union all
select r.repo_id, 'unsafe format', a.artifact, a.format, 'file name', r.last_modified, r.downloads
from artifacts a
join repos r on r.id = a.repo
where a.unsafe_format
union all
select r.repo_id, 'custom code', null, 'auto_map or the tag custom_code', 'configuration or tag', r.last_modified, r.downloads
from repo_labels l
cross join repos r
where r.id = l.repo and l.custom_code
union all
select r.repo_id, 'custom code', f.path, 'Python file', 'file name', r.last_modified, r.downloads
from repo_files f
cross join repos r
where r.id = f.repo and r.type = 'model' and substr(lower(f.path), length(f.path) - 2) = '.py'
union all
select r.repo_id, 'template', a.artifact, a.suspicious_template, 'header', r.last_modified, r.downloads
from artifacts a
join repos r on r.id = a.repo
where a.suspicious_template is not null
union all
select r.repo_id, 'template', null, l.suspicious_template, 'configuration', r.last_modified, r.downloads
from repo_labels l
cross join repos r
where r.id = l.repo and l.suspicious_template is not null
    and not exists (select 1 from artifacts a where a.repo = r.id and a.suspicious_template is not null)
union all
select r.repo_id, 'template', a.artifact, 'differs from other quantizations', 'header', r.last_modified, r.downloads
from artifacts a
join repos r on r.id = a.repo
where a.chat_template_digest is not null
    and exists (
        select 1
        from artifacts o
        where o.repo = a.repo and o.role = a.role and o.chat_template_digest <> a.chat_template_digest
    )
union all
select r.repo_id, 'reused name', null, o.hub_id, 'the Hub''s _id', r.created_at, r.downloads
from aliases a
cross join repos o -- in this order: few repos have former names
cross join repos r
where o.id = a.repo and o.type = 'model' and r.id in (
    select n.id
    from repos n
    where lower(n.repo_id) = lower(a.repo_id) and n.id <> a.repo and n.type = 'model' and n.status <> 'gone'
)
union all
select r.repo_id, 'changed licence', e.before, e.after, 'card', e.at, r.downloads
from events e
join repos r on r.id = e.repo and r.type = 'model'
where e.kind = 'licence'
