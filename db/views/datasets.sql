-- One row per dataset that was crawled (hf-catalog crawl --type dataset).
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
    r.license,
    r.total_size,
    r.file_count,
    r.used_storage,
    (select count(*) from leaderboards l where l.repo = r.id) as leaderboard_entries, -- integer: results on its leaderboard
    r.first_seen,
    r.last_seen
from repos r
where r.type = 'dataset'
