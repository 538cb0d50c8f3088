"""Start of the binary before its own code: programs that it runs, such as git, must not load its libraries.

PyInstaller's loader puts the folder of the binary before LD_LIBRARY_PATH and keeps the value of the user beside it.
"""

import os
import sys

if "LD_LIBRARY_PATH_ORIG" in os.environ:
    os.environ["LD_LIBRARY_PATH"] = os.environ.pop("LD_LIBRARY_PATH_ORIG")
elif sys._MEIPASS in os.environ.get("LD_LIBRARY_PATH", ""):  # type: ignore[attr-defined]  # noqa: SLF001 - the folder, named by the loader
    del os.environ["LD_LIBRARY_PATH"]
