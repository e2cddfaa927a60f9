-- One row per space that was crawled (hf-catalog crawl --type space).
select
    r.repo_id,
    r.hub_id,
    r.author,
    r.sha,
    r.created_at,
    r.last_modified,
    r.likes,
    r.trending_score,
    r.status,
    r.library_name as sdk, -- text: gradio, docker, static or streamlit
    r.license,
    r.total_size,
    r.file_count,
    (select count(*) from repo_links l where l.repo = r.id and l.target_type = 'model') as models, -- integer: models that it says it uses
    (select count(*) from repo_links l where l.repo = r.id and l.target_type = 'dataset') as datasets, -- integer: datasets that it says it uses
    r.first_seen,
    r.last_seen
from repos r
where r.type = 'space'
