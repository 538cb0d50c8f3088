"""Ecosystems of packages: each module of this package is one, and defines `ECOSYSTEM`, an `Ecosystem`.

A module has all that the other parts need to know about its packages: types of package URLs and the form of their names,
names in the databases of OSV and Grype, the order of versions, and the catalogues that read them. No other file lists
ecosystems: `shared.registry` finds them by walking this package on first use. Modules name version schemes and catalogues
without importing them, because most scans need none or a few.
"""
