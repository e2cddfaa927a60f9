-- title: Files whose size contradicts their header
-- description: Artifacts whose files are shorter or longer than their own header implies: incomplete uploads.
-- kind: report
select a.repo_id, a.artifact, a.format, a.quant, a.total_size, h.size as size_by_header, a.downloads
from artifacts_wide as a
join headers as h on h.id = a.header
where h.size_verified is not null and not h.size_verified
order by a.downloads desc nulls last, a.repo_id, a.artifact
