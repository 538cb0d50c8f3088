"""Container images as resources of kind ContainerImage, named on the command line or used by workloads."""
