"""The back end of Kubekeep: a distribution of its own, so that no installation that scans has its dependencies."""
