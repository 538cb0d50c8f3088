"""Controls and frameworks as data, and their loader. Evaluates no rules."""
