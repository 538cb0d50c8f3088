"""A source of proxies of a service mesh, which only tests have: another kind of finding on another type of subject."""
