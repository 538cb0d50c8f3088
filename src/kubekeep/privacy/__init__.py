"""Privacy: reports with pseudonyms, encrypted reports, and excerpts without secrets. Never stores a key."""
