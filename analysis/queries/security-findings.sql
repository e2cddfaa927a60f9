-- title: Security findings
-- description: What speaks against trusting a model: scans, pickles, unsafe formats, custom code, templates, reused names
--   and changed licences; the most downloaded first.
-- kind: report
-- param: kind | text | | one kind only: scan, pickle, unsafe format, custom code, template, reused name, changed licence
select repo_id, kind, subject, value, source, at, downloads
from security_findings
where :kind is null or kind = :kind
order by downloads desc nulls last, repo_id, kind, subject nulls first, value
