"""`python -m kubekeep` is the `kubekeep` command, and the start of the binary that PyInstaller builds. Nothing else."""

import sys

from kubekeep.engine.isolation.settings import RULE_PROCESS

if __name__ == "__main__":
    if sys.argv[1:] == [RULE_PROCESS] and getattr(sys, "frozen", False):
        from kubekeep.engine.isolation.worker import main as evaluate_rules

        evaluate_rules()
    else:
        from kubekeep.cli.main import main

        main()
