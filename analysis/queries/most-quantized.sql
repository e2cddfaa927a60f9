-- title: Models with most quantized copies
-- description: Which originals are quantized most, by how many publishers, in how many schemes, and how many of the
--   copies hold GGUF, MLX, AWQ or GPTQ weights. Schemes are those of all artifacts of the copies.
-- kind: report
with copies as (
    select
        l.base_model,
        count(*) as copies,
        count(distinct r.author) as publishers,
        sum(case when l.format = 'gguf' then 1 else 0 end) as gguf_repos,
        sum(case when l.format = 'mlx' or l.quant_method = 'mlx' then 1 else 0 end) as mlx_repos,
        sum(case when l.quant_method = 'awq' then 1 else 0 end) as awq_repos,
        sum(case when l.quant_method = 'gptq' then 1 else 0 end) as gptq_repos,
        sum(r.downloads) as downloads_of_copies
    from repo_labels as l
    join repos as r on r.id = l.repo
    where l.quantized and l.base_model is not null and r.status <> 'gone'
    group by l.base_model
    order by copies desc, l.base_model
    limit 200
),
held as (
    select l.base_model, a.quant, count(*) as artifacts
    from copies as c
    cross join repo_labels as l
    join repos as r on r.id = l.repo and r.status <> 'gone'
    join artifacts as a on a.repo = l.repo and a.role = 'weights' and a.quantized and a.quant is not null
    where lower(l.base_model) = lower(c.base_model) and l.base_model = c.base_model
    group by l.base_model, a.quant
    union all
    select l.base_model, l.quant, 0
    from copies as c
    cross join repo_labels as l
    join repos as r on r.id = l.repo and r.status <> 'gone'
    where
        l.base_model = c.base_model and l.quantized and l.quant is not null
        and not exists (select 1 from artifacts as a where a.repo = l.repo and a.role = 'weights' and a.quant is not null)
)
select
    c.base_model,
    c.copies,
    c.publishers,
    (select count(distinct h.quant) from held as h where h.base_model = c.base_model) as schemes,
    (select coalesce(sum(h.artifacts), 0) from held as h where h.base_model = c.base_model) as artifacts,
    c.gguf_repos,
    c.mlx_repos,
    c.awq_repos,
    c.gptq_repos,
    c.downloads_of_copies,
    (
        select max(b.downloads)
        from repos as b
        where lower(b.repo_id) = lower(c.base_model) and b.status <> 'gone' and b.type = 'model'
    ) as downloads_of_original
from copies as c
order by c.copies desc, c.base_model
