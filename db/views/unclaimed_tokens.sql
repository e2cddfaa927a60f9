-- Tokens of repo names that no rule claimed, and how much of the Hub they are in: tomorrow's vocabulary.
select
    u.token,
    count(*) as repos,
    count(distinct r.author) as authors,
    sum(r.downloads) as downloads,
    min(r.repo_id) as example
from unclaimed u
join repos r on r.id = u.repo
group by u.token
