"""Images of whole registries: patterns of names, selection of tags, and the state of earlier runs."""
