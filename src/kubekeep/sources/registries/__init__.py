"""Images of whole registries as resources of kind ContainerImage, named by patterns."""
