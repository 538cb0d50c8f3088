"""VEX documents for people and pipelines. Evaluates nothing and does no I/O."""
