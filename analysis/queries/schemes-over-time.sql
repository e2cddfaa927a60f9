-- title: Schemes over time
-- description: How many repos were created in each year with each scheme.
-- kind: report
select
    substr(cast(created_at as varchar), 1, 4) as year,
    quant,
    count(*) as repos,
    count(distinct author) as publishers,
    sum(downloads) as downloads
from models
where quant is not null and quantized and created_at is not null and status <> 'gone'
group by substr(cast(created_at as varchar), 1, 4), quant
order by year desc, repos desc, quant
