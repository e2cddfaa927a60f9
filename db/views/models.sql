-- One row per repo: the Hub's data, the resolved labels, the measured values.
-- kind: original also where the repo names no base model and others name it as theirs.
-- last_seen: when the repo was last known to exist: by a request for it, or by the last full crawl that listed it.
select
    r.repo_id,
    r.hub_id,
    r.author,
    r.sha,
    r.created_at,
    r.last_modified,
    r.downloads,
    r.downloads_all_time,
    r.likes,
    r.trending_score,
    r.gated,
    r.status,
    r.pipeline_tag,
    r.library_name,
    r.license,
    l.{repo_labels},
    coalesce(
        l.kind,
        case
            when exists (select 1 from edges e where lower(e.parent) = lower(r.repo_id))
                and not exists (select 1 from edges o where o.repo = r.id)
                then 'original'
        end,
        'unknown'
    ) as kind, -- text: original, finetune, adapter, merge, quantized, conversion or unknown
    r.total_size,
    r.file_count,
    (select count(*) from artifacts a where a.repo = r.id) as artifact_count, -- integer: number of its artifacts
    r.used_storage,
    l.depth,
    r.first_seen,
    coalesce(
        (
            select c.swept_from
            from crawl_runs c
            where c.scope = '' and c.kind = 'full' and c.swept_from > r.last_seen
                and r.status <> 'gone'
                and not exists (select 1 from missing_repos m where m.repo = r.id)
            order by c.swept_from desc
            limit 1
        ),
        r.last_seen
    ) as last_seen -- time: when the repo was last known to exist
from repos r
join repo_labels l on l.repo = r.id
