-- title: Files whose size contradicts their header
-- description: Artifacts whose files are shorter or longer than their own header implies: incomplete uploads.
-- kind: report
select r.repo_id, a.artifact, a.format, a.quant, a.total_size, h.size as size_by_header, r.downloads
from headers as h
cross join artifacts as a
join repos as r on r.id = a.repo
where not h.size_verified and a.content = h.content and a.header = h.id
order by r.downloads desc nulls last, r.repo_id, a.artifact
