"""File formats: what each is (formats.py, formats.toml), and how the headers of some are read (readers.py).

Bytes in, facts out: no network, no database, the standard library alone.
"""
