"""Parts of the continuous assessment of a cluster: request, sessions, changes and subscribers."""
