-- Repos whose labels are not of the current vocabulary, or were made before the repo changed: `relabel` fixes the first
-- two reasons offline, the next crawl the third.
select
    r.repo_id,
    case
        when l.repo is null then 'unlabelled'
        when l.vocabulary <> (select v.id from vocabularies v order by v.used_since desc, v.id desc limit 1) then 'vocabulary'
        when l.digest <> r.digest then 'repo changed'
        else 'files changed'
    end as reason, -- text: unlabelled, vocabulary, repo changed or files changed
    v.digest as vocabulary, -- text: digest of the vocabulary that made them
    l.depth,
    r.downloads,
    r.last_modified
from repos r
left join repo_labels l on l.repo = r.id
left join vocabularies v on v.id = l.vocabulary
left join enrichments t on t.repo = r.id
where
    l.repo is null
    or l.vocabulary <> (select w.id from vocabularies w order by w.used_since desc, w.id desc limit 1)
    or l.digest <> r.digest
    or t.sha <> r.sha
