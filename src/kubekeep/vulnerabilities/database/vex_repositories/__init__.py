"""VEX repositories (VEX Repository Specification v0.1) in the advisory database: update, import and use in scans."""
