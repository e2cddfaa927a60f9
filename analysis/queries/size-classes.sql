-- title: Size classes
-- description: Repos by number of parameters: measured, otherwise claimed.
-- kind: report
select
    case a
        when '0' then 'under 1B'
        when '1' then '1B to 4B'
        when '2' then '4B to 10B'
        when '3' then '10B to 40B'
        when '4' then '40B to 150B'
        else 'over 150B'
    end as size_class,
    repos,
    quantized_repos,
    measured_repos,
    case when counted_repos > 0 then downloads end as downloads,
    nullif(total_size, 0) as total_size
from totals
where of = 'size'
order by a
