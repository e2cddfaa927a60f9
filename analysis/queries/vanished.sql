-- title: Repos that vanished
-- description: Repos that are gone, disabled or private now, and since when the catalog knows it.
-- kind: report
select
    r.repo_id,
    r.status,
    l.family,
    l.quant,
    r.downloads,
    max(e.at) as noticed_at,
    m.last_seen
from repos as r
join repo_labels as l on l.repo = r.id
join models as m on m.hub_id = r.hub_id
left join events as e on e.repo = r.id and e.kind = r.status
where r.status not in ('available', 'gated') and r.status in ('gone', 'disabled', 'private')
group by r.repo_id, r.status, l.family, l.quant, r.downloads, m.last_seen
order by r.downloads desc nulls last, r.repo_id
