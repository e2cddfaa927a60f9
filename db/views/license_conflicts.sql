-- Models whose licence drops what that of a model they were made from demands, by the kinds of the two licences as the
-- cards state them: clear contradictions alone. The command audit judges the whole chain; neither is legal advice.
-- The few base models whose licences demand something are read first.
select
    r.repo_id,
    l.license_spdx,
    b.base_model, -- text: the model it was made from
    b.license_spdx as base_license, -- text: SPDX id of its licence
    e.relation,
    b.license_kind as reason, -- text: what the base model's licence demands and the model's own does not keep
    l.family,
    r.author,
    r.downloads
from (
    select lower(p.repo_id) as name, p.repo_id as base_model, d.license_spdx, d.license_kind
    from repo_labels d
    cross join repos p
    where d.license_kind in ('no-derivatives', 'non-commercial', 'use-restricted', 'share-alike') and p.id = d.repo and p.status <> 'gone' and p.type = 'model'
    union all
    select lower(a.repo_id), q.repo_id, d.license_spdx, d.license_kind
    from aliases a
    cross join repos q
    cross join repo_labels d
    where q.id = a.repo and q.type = 'model' and d.repo = q.id and d.license_kind in ('no-derivatives', 'non-commercial', 'use-restricted', 'share-alike')
        and not exists (
            select 1 from repos p where lower(p.repo_id) = lower(a.repo_id) and p.status <> 'gone' and p.type = 'model'
        )
) b
cross join edges e
cross join repos r
cross join repo_labels l
where lower(e.parent) = b.name and r.id = e.repo and r.type = 'model' and r.status <> 'gone' and l.repo = r.id
    and not exists (
        select 1
        from edges o
        where o.repo = r.id and o.parent = e.parent
            and (
                case when o.declared then 0 else 1 end,
                case o.relation when 'unknown' then 1 else 0 end,
                case o.source when 'api' then 0 when 'card' then 1 when 'tag' then 2 when 'header' then 3 else 4 end,
                o.relation,
                o.source
            ) < (
                case when e.declared then 0 else 1 end,
                case e.relation when 'unknown' then 1 else 0 end,
                case e.source when 'api' then 0 when 'card' then 1 when 'tag' then 2 when 'header' then 3 else 4 end,
                e.relation,
                e.source
            )
    )
    and l.license_spdx <> b.license_spdx
    and (
        b.license_kind = 'no-derivatives' and l.license_kind <> 'bespoke'
        or b.license_kind = 'non-commercial' and l.license_kind in ('permissive', 'share-alike', 'use-restricted')
        or b.license_kind = 'use-restricted'
        and l.license_kind in ('permissive', 'share-alike', 'non-commercial', 'no-derivatives')
        or b.license_kind = 'share-alike' and l.license_kind = 'permissive'
    )
