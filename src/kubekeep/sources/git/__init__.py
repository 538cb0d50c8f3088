"""Git: remote repositories as input; last commits of lines, and changed files. Never writes to a user's repository."""
