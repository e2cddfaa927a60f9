-- The tags of models by what they are about, one row a tag; languages by their codes, as the label has them.
select
    r.repo_id,
    case
        when substr(t.tag, 1, 8) = 'dataset:' then 'dataset'
        when substr(t.tag, 1, 6) = 'arxiv:' then 'arxiv'
        when substr(t.tag, 1, 4) = 'doi:' then 'doi'
        when substr(t.tag, 1, 8) = 'license:' then 'license'
        when substr(t.tag, 1, 7) = 'region:' then 'region'
        when substr(t.tag, 1, 11) = 'base_model:' then 'base_model'
        else 'other'
    end as kind, -- text: dataset, arxiv, doi, license, language, region, base_model or other
    case
        when substr(t.tag, 1, 8) in ('dataset:', 'license:') then substr(t.tag, 9)
        when substr(t.tag, 1, 6) = 'arxiv:' then substr(t.tag, 7)
        when substr(t.tag, 1, 4) = 'doi:' then substr(t.tag, 5)
        when substr(t.tag, 1, 7) = 'region:' then substr(t.tag, 8)
        when substr(t.tag, 1, 11) = 'base_model:' then substr(t.tag, 12)
        else t.tag
    end as value -- text: the tag without the prefix of its kind
from repo_tags p
join tags t on t.id = p.tag
join repos r on r.id = p.repo and r.type = 'model'
join repo_labels l on l.repo = r.id
where l.languages is null or length(t.tag) > 12 or instr(l.languages, '"' || t.tag || '"') = 0
union all
select r.repo_id, 'language', e.value
from repo_labels l
join repos r on r.id = l.repo,
    json_each(l.languages) e
