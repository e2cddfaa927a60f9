-- One wide row a repo: what the Hub says, the resolved labels, what was measured.
-- last_seen: when the catalog last knew it to be there: its own requests, or the last full crawl that did not miss it.
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
    l.family,
    l.version,
    l.base_family,
    l.base_version,
    l.release,
    l.size,
    l.parameters,
    l.approximate,
    l.active_parameters,
    l.experts,
    l.parameters_measured,
    l.active_parameters_measured,
    l.tuning,
    l.specialty,
    l.languages,
    l.format,
    l.quantized,
    l.quant,
    l.quant_method,
    l.bits,
    l.group_size,
    l.quant_measured,
    l.bits_per_weight,
    l.qat,
    l.imatrix,
    l.dynamic,
    l.context,
    l.context_measured,
    l.architecture,
    l.base_model,
    l.base_model_relation,
    r.total_size,
    r.file_count,
    (select count(*) from artifacts a where a.repo = r.id) as artifact_count, -- integer: artifacts that its files make
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
    ) as last_seen -- time: when the catalog last knew it to be there
from repos r
join repo_labels l on l.repo = r.id
