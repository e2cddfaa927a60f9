-- title: Most downloaded licence conflicts
-- description: Models whose licence drops what that of a base model demands, as the cards state them; not legal advice.
--   The whole chain of one model: hf-catalog audit ID.
-- kind: report
select repo_id, license_spdx, base_model, base_license, reason, relation, family, downloads
from license_conflicts
order by downloads desc nulls last, repo_id, base_model
