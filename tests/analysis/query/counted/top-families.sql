select family, repos, quantized_repos, authors, quants, downloads, quantized_downloads, likes, first_created, last_created
from (
select
    l.family,
    count(*) as repos, -- integer: repos of the family that are not gone
    cast(sum(case when l.quantized then 1 else 0 end) as bigint) as quantized_repos, -- integer: of these, quantized ones
    count(distinct r.author) as authors, -- integer: owners who publish it
    count(distinct l.version) as versions, -- integer: versions that names claim
    coalesce(max(s.quants), 0) as quants, -- integer: quantization schemes that its repos hold, in any artifact
    cast(sum(r.downloads) as bigint) as downloads, -- integer: downloads of the last 30 days, all repos
    cast(sum(case when l.quantized then r.downloads else 0 end) as bigint) as quantized_downloads, -- integer: of the quantized ones
    cast(sum(r.likes) as bigint) as likes, -- integer: likes, all repos
    cast(sum(r.total_size) as bigint) as total_size, -- integer: bytes of the repos whose files were listed
    min(r.created_at) as first_created, -- time: when its first repo was created
    max(r.created_at) as last_created -- time: when its latest repo was created
from repos r
join repo_labels l on l.repo = r.id
left join (
    select h.family, count(distinct h.quant) as quants
    from repo_schemes h
    where h.quantized and h.status <> 'gone'
    group by h.family
) s on s.family = l.family
where l.family is not null and r.status <> 'gone'
group by l.family
) f
order by downloads desc nulls last, family
