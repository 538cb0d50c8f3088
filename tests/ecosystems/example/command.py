"""The command `kubekeep` with the ecosystem of this folder."""

from __future__ import annotations

from pathlib import Path

import kubekeep.ecosystems
import kubekeep.images.catalog
from kubekeep.cli.main import main

FOLDER = Path(__file__).parent

if __name__ == "__main__":
    kubekeep.ecosystems.__path__.append(str(FOLDER / "ecosystems"))
    kubekeep.images.catalog.__path__.append(str(FOLDER / "catalogs"))
    main()
