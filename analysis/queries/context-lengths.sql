-- title: Context lengths
-- description: Context lengths by family, as headers and configurations state them.
-- kind: report
select
    a as family,
    cast(b as bigint) as context,
    repos,
    differing_repos as claim_another,
    case when counted_repos > 0 then downloads end as downloads
from totals
where of = 'context'
order by context desc, repos desc, family
