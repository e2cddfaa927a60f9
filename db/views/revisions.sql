-- Branches, tags and pinned commits of models, of repos that were crawled as owner/name@REVISION.
select
    r.repo_id,
    v.name,
    v.kind,
    v.sha,
    case when v.sha is not null and r.sha is not null then v.sha = r.sha end as is_main, -- boolean: it names the commit of main
    (
        select count(*) from repo_revision_files f where f.repo = v.repo and f.sha = v.sha having count(*) > 0
    ) as file_count, -- integer: its files; unknown unless they were asked for
    (
        select sum(f.size) from repo_revision_files f where f.repo = v.repo and f.sha = v.sha
    ) as total_size, -- integer: bytes of its files
    v.seen_at
from repo_revisions v
join repos r on r.id = v.repo and r.type = 'model'
