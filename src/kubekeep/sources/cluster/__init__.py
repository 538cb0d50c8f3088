"""The objects of a live cluster: what is to be listed, and the lists. Never judges, and never changes the cluster."""
