select
    family,
    context_measured as context,
    count(*) as repos,
    sum(case when context is not null and context <> context_measured then 1 else 0 end) as claim_another,
    sum(downloads) as downloads
from models
where family is not null and context_measured is not null and status <> 'gone'
group by family, context_measured
order by context_measured desc, repos desc, family
