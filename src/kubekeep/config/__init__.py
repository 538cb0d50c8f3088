"""The configuration file `kubekeep.yaml`: where it is and the values it holds. Never parses a command line."""
