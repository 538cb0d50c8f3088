"""Resources of a live cluster: planning and running of list and watch requests. Never writes to the cluster."""
