select
    size_class,
    count(*) as repos,
    sum(case when quantized then 1 else 0 end) as quantized_repos,
    sum(case when measured then 1 else 0 end) as measured_repos,
    sum(downloads) as downloads,
    sum(total_size) as total_size
from (
    select
        case
            when coalesce(parameters_measured, parameters) < 1000000000 then 'under 1B'
            when coalesce(parameters_measured, parameters) < 4000000000 then '1B to 4B'
            when coalesce(parameters_measured, parameters) < 10000000000 then '4B to 10B'
            when coalesce(parameters_measured, parameters) < 40000000000 then '10B to 40B'
            when coalesce(parameters_measured, parameters) < 150000000000 then '40B to 150B'
            else 'over 150B'
        end as size_class,
        coalesce(parameters_measured, parameters) as parameters,
        parameters_measured is not null as measured,
        quantized,
        downloads,
        total_size
    from models
    where coalesce(parameters_measured, parameters) > 0 and status <> 'gone'
) as sized
group by size_class
order by min(parameters)
