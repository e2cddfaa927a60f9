-- title: Formats by framework
-- description: Which containers the repos of each library have: GGUF for llama.cpp, MLX, safetensors for transformers
--   ...
-- kind: report
select
    case when t.a = '' then 'no library stated' else t.a end as library_name,
    t.b as format,
    t.repos,
    t.artifacts,
    (select count(*) from total_members as m where m.of = 'format scheme' and m.a = t.a and m.b = t.b) as schemes,
    case when t.sized_artifacts > 0 then t.total_size end as total_size
from totals as t
where t.of = 'format'
order by t.repos desc, library_name, format
