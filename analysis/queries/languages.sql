-- title: Languages
-- description: How many repos state a language (ISO 639-1), and which source states it.
-- kind: report
select
    t.a as language,
    t.repos,
    (select count(*) from total_members as m where m.of = 'language family' and m.a = t.a) as families,
    case when t.counted_repos > 0 then t.downloads end as downloads
from totals as t
where t.of = 'language'
order by t.repos desc, language
