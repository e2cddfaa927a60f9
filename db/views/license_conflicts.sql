-- needs: parents models
-- Models whose licence drops what that of a model they were made from demands, by the kinds of the two licences as the
-- cards state them: clear contradictions alone. The command audit judges the whole chain; neither is legal advice.
select
    m.repo_id,
    m.license_spdx,
    b.repo_id as base_model, -- text: the model it was made from
    b.license_spdx as base_license, -- text: SPDX id of its licence
    p.relation,
    b.license_kind as reason, -- text: what the base model's licence demands and the model's own does not keep
    m.family,
    m.author,
    m.downloads
from parents p
join models m on m.repo_id = p.repo_id and m.status <> 'gone'
join models b on b.repo_id = p.parent_id
where m.license_spdx <> b.license_spdx
    and (
        b.license_kind = 'no-derivatives' and m.license_kind <> 'bespoke'
        or b.license_kind = 'non-commercial' and m.license_kind in ('permissive', 'share-alike', 'use-restricted')
        or b.license_kind = 'use-restricted'
        and m.license_kind in ('permissive', 'share-alike', 'non-commercial', 'no-derivatives')
        or b.license_kind = 'share-alike' and m.license_kind = 'permissive'
    )
