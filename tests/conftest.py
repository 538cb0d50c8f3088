"""What every test can ask for, wherever it is."""

pytest_plugins = ["tests.cluster.fixtures"]
