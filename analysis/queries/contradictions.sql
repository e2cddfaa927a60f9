-- title: Conflicts between claims and measurements
-- description: Claims of a name, a card or a tag that the files contradict, most downloaded first.
-- kind: report
-- param: field | text | | one label only: parameters, quant, context ...; empty for all
select repo_id, artifact, field, claimed, claimed_by, measured, measured_by, downloads
from label_conflicts
where :field is null or field = :field
order by downloads desc nulls last, repo_id, artifact nulls first, field
