-- title: Models with most quantized copies
-- description: Which originals are quantized most, by how many publishers, in how many schemes, and how many of the
--   copies hold GGUF, MLX, AWQ or GPTQ weights. Schemes are those of all artifacts of the copies.
-- kind: report
with copies as (
    select
        base_model,
        count(*) as copies,
        count(distinct author) as publishers,
        sum(case when format = 'gguf' then 1 else 0 end) as gguf_repos,
        sum(case when format = 'mlx' or quant_method = 'mlx' then 1 else 0 end) as mlx_repos,
        sum(case when quant_method = 'awq' then 1 else 0 end) as awq_repos,
        sum(case when quant_method = 'gptq' then 1 else 0 end) as gptq_repos,
        sum(downloads) as downloads_of_copies,
        max(base_downloads) as downloads_of_original
    from quantized_models
    where base_model is not null and status <> 'gone'
    group by base_model
    order by copies desc, base_model
    limit 200
),
held as (
    select base_model, count(distinct quant) as schemes, sum(artifacts) as artifacts
    from repo_schemes
    where quantized and status <> 'gone' and base_model in (select base_model from copies)
    group by base_model
)
select
    c.base_model,
    c.copies,
    c.publishers,
    coalesce(h.schemes, 0) as schemes,
    coalesce(h.artifacts, 0) as artifacts,
    c.gguf_repos,
    c.mlx_repos,
    c.awq_repos,
    c.gptq_repos,
    c.downloads_of_copies,
    c.downloads_of_original
from copies as c
left join held as h on h.base_model = c.base_model
order by c.copies desc, c.base_model
