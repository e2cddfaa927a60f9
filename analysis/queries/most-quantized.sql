-- title: Models with most quantized copies
-- description: Which originals are quantized most, by how many publishers, and whether GGUF, MLX, AWQ or GPTQ copies
--   exist.
-- kind: report
select
    base_model,
    count(*) as copies,
    count(distinct author) as publishers,
    count(distinct quant) as schemes,
    sum(case when format = 'gguf' then 1 else 0 end) as gguf,
    sum(case when format = 'mlx' or quant_method = 'mlx' then 1 else 0 end) as mlx,
    sum(case when quant_method = 'awq' then 1 else 0 end) as awq,
    sum(case when quant_method = 'gptq' then 1 else 0 end) as gptq,
    sum(downloads) as downloads_of_copies,
    max(base_downloads) as downloads_of_original
from quantized_models
where base_model is not null and status <> 'gone'
group by base_model
order by copies desc, base_model
limit 200
