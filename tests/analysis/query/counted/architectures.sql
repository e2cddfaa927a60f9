select
    architecture,
    count(*) as repos,
    count(distinct family) as families,
    min(coalesce(parameters_measured, parameters)) as least_parameters,
    max(coalesce(parameters_measured, parameters)) as most_parameters,
    sum(downloads) as downloads
from models
where architecture is not null and status <> 'gone'
group by architecture
order by repos desc, architecture
