select
    author,
    quant,
    quant_method,
    count(distinct repo_id) as repos,
    count(*) as artifacts,
    sum(case when imatrix then 1 else 0 end) as with_imatrix,
    sum(case when dynamic then 1 else 0 end) as dynamic_mixes,
    sum(total_size) as total_size
from artifacts_wide
where
    quantized and quant is not null and role = 'weights' and status <> 'gone'
    and (:author is null or lower(author) = lower(:author))
group by author, quant, quant_method
order by artifacts desc, author, quant, quant_method
limit 500
