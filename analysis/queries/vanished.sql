-- title: Repos that vanished
-- description: Repos that are gone, disabled or private now, and since when the catalog knows it.
-- kind: report
select
    m.repo_id,
    m.status,
    m.family,
    m.quant,
    m.downloads,
    max(c.seen_at) as noticed_at,
    m.last_seen
from models as m
left join changes as c on c.repo_id = m.repo_id and c.kind = m.status
where m.status in ('gone', 'disabled', 'private')
group by m.repo_id, m.status, m.family, m.quant, m.downloads, m.last_seen
order by m.downloads desc nulls last, m.repo_id
