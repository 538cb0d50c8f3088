"""`python -m kubekeep` is the `kubekeep` command. Nothing else."""

from kubekeep.cli.main import main

if __name__ == "__main__":
    main()
