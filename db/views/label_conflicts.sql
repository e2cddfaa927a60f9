-- A claim and a measurement that can't both be true. artifact is unknown if the conflict concerns the whole repo.
select
    r.repo_id,
    a.artifact,
    c.field,
    c.claimed,
    c.claimed_by,
    c.measured,
    c.measured_by,
    r.downloads
from conflicts c
join repos r on r.id = c.repo
left join artifacts a on a.id = c.artifact
