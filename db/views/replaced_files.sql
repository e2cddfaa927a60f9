-- Contents that the files of models had in earlier commits, and what the catalog holds at the same path now.
select
    r.repo_id,
    f.path,
    f.size,
    lower(hex(f.sha256)) as sha256, -- text: sha256 of the former content, in hexadecimal
    f.sha,
    f.until,
    n.size as current_size, -- integer: bytes of the file that has this path now; unknown if none has
    nullif(lower(hex(n.sha256)), '') as current_sha256 -- text: sha256 of the content that this path has now
from former_files f
join repos r on r.id = f.repo and r.type = 'model'
left join repo_files n on n.repo = f.repo and n.path = f.path
