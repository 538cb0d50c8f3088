"""Manifests, charts and archives fetched by URL. Reaches only the URL that the user named."""
