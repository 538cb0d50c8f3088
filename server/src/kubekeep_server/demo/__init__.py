"""Demo data: a year of a company's clusters, repositories and images as submissions. Knows neither HTTP nor settings."""
