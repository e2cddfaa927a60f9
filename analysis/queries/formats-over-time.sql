-- title: Formats by year
-- description: In which format the models created in each year are, and their downloads. A model counts once, in its main
--   format; unfinished marks the year of the last crawl.
-- kind: report
select
    a as year,
    coalesce(nullif(b, ''), 'format unknown') as format,
    repos,
    round(cast(100.0 * repos / sum(repos) over (partition by a) as numeric), 1) as percent_of_year,
    case when counted_repos > 0 then downloads end as downloads,
    a >= (select substr(cast(max(c.started_at) as varchar), 1, 4) from crawl_runs as c) as unfinished
from totals
where of = 'format year'
order by year desc, repos desc, format
