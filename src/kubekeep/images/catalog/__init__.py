"""Catalogues: each module of this package reads the packages from one kind of file.

`registry` imports the modules that ecosystems name in `catalogs`; other modules of this package are helpers. A catalogue defines:

- `PATTERNS: Final[tuple[str, ...]]`: globs of whole paths, as `var/lib/dpkg/status` or `**/*.dist-info/METADATA`. `*` and
  `?` match no slash, `**/` matches any folders or none, `[ab]` and `{a,b}` choose. May be empty.
- `FOLDER_PATTERNS` (optional): further globs for files that only describe an installation, such as lock files. They are
  read in folders, not in images.
- `SCAN_PATTERNS` (optional): further globs for files that scans need and lists of packages do not.
- `VERSION_PATTERNS` (optional): `(name, glob, regular expression)` for executables without package metadata. The
  expression is searched in the bytes of executables whose path matches the glob, and its first group is the version.
  Syntax of the Rust crate `regex`, without look-around and without Unicode: classes are those of ASCII.
- `read(file: LayerFile) -> CatalogRecord | None` for files that match a pattern,
- `read_archives(archives: Sequence[Archive]) -> Iterable[CatalogRecord]` for all Java archives of a layer, nested ones
  too, of which it leaves out those that it cannot read,
- `read_executable(executable: Executable) -> CatalogRecord | None` for executables with embedded facts.

The functions return None if the file proves no package, and raise ValueError with the reason if they cannot read the
file; the reason becomes a ContentProblem. Content is hostile. Several catalogues may read the same file. Catalogues
never open a file, except a `spill`, and never modify one.

Every image scan imports all catalogues, so they import costly modules (email, sqlite3, yaml) in the function that uses
them and compile regular expressions on first use.
"""
