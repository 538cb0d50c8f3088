"""Manifests, charts and archives fetched by URL. Requests only the URL that the user named, and its redirects."""
