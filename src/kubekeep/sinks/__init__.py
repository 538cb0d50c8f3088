"""Destinations of finished reports: files, folders, HTTP. Independent of their content."""
