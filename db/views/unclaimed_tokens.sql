-- Tokens of repo names that no rule recognizes, with the number of repos: candidates for the vocabulary.
select
    u.token,
    count(*) as repos, -- integer: repos whose name has it
    count(distinct r.author) as authors, -- integer: their owners
    cast(sum(r.downloads) as bigint) as downloads, -- integer: their downloads
    min(r.repo_id) as example -- text: one of them
from unclaimed u
join repos r on r.id = u.repo
group by u.token
