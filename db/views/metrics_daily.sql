-- Downloads and likes of each repo by day, a row for each change with the difference to the row before. day is
-- yyyy-mm-dd.
select
    r.repo_id,
    l.family,
    l.quant,
    substr(cast(m.day as varchar), 1, 4) || '-' || substr(cast(m.day as varchar), 5, 2) || '-'
        || substr(cast(m.day as varchar), 7, 2) as day, -- text: UTC day, yyyy-mm-dd
    m.downloads,
    m.likes,
    m.trending_score,
    m.source,
    m.downloads - (
        select p.downloads from metrics p where p.repo = m.repo and p.day < m.day order by p.day desc limit 1
    ) as downloads_change, -- integer: difference to the row before
    m.likes - (
        select p.likes from metrics p where p.repo = m.repo and p.day < m.day order by p.day desc limit 1
    ) as likes_change -- integer: difference to the row before
from metrics m
join repos r on r.id = m.repo
join repo_labels l on l.repo = r.id
