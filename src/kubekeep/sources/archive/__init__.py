"""Archives of manifests, unpacked into a private folder for as long as they are read. Trusts nothing in an archive."""
