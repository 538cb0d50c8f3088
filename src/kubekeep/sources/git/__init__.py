"""Git: remote repositories to scan, and what a local one knows of its lines and changes. Never writes to a user's tree."""
