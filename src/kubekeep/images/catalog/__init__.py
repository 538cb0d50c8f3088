"""Catalogues: each module reads the packages from one kind of file.

A module has PATTERNS (globs of paths as in gitignore with `**`, matched by the native reader), FOLDER_PATTERNS for lock
files that only describe an installation and are read in folders but not in images, and `read(file)`, which returns a
`CatalogRecord` or None, and raises ValueError with the reason for a file that it cannot read. Content is hostile. Never
opens a file itself, except a `spill`.
"""
