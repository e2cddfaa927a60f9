-- One row per family: its repos, schemes and downloads, from the totals that each write keeps.
select
    t.a as family, -- text: the family
    t.repos, -- integer: repos of the family that are not gone
    t.quantized_repos, -- integer: of these, quantized ones
    (select count(*) from total_members m where m.of = 'family author' and m.a = t.a) as authors, -- integer: owners who publish it
    (select count(*) from total_members m where m.of = 'family version' and m.a = t.a) as versions, -- integer: versions that names claim
    (select count(*) from total_members m where m.of = 'family scheme' and m.a = t.a) as quants, -- integer: quantization schemes that its repos hold, in any artifact
    case when t.counted_repos > 0 then t.downloads end as downloads, -- integer: downloads of the last 30 days, all repos
    case when t.counted_repos > 0 then t.quantized_downloads end as quantized_downloads, -- integer: of the quantized ones
    case when t.counted_repos > 0 then t.likes end as likes, -- integer: likes, all repos
    nullif(t.total_size, 0) as total_size, -- integer: bytes of the repos whose files were listed
    t.first as first_created, -- time: when its first repo was created
    t.last as last_created -- time: when its latest repo was created
from totals t
where t.of = 'family'
