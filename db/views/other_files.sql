-- The files of datasets and spaces; hashes in hexadecimal. sha256 is known for LFS and Xet files only.
select
    r.repo_id,
    r.type,
    f.path,
    f.size,
    nullif(lower(hex(f.blob_id)), '') as blob_id, -- text: git's sha1 of the content; unknown for LFS and Xet files
    nullif(lower(hex(f.sha256)), '') as sha256 -- text: sha256 of the content; LFS and Xet files only
from repo_files f
join repos r on r.id = f.repo and r.type <> 'model'
