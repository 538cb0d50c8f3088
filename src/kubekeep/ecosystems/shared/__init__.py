"""Definition of an ecosystem, releases of distributions, and the registry. Knows no concrete ecosystem."""
