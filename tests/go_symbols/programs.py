"""Go programs for tests, built once per run. Their modules come from a folder, so that no test needs the network.

The modules imitate real ones: import paths, versions and names of functions are theirs, the code is not.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

RECORDS = Path(__file__).parent / "records.jsonl"
"""Real records of golang/vulndb; the field `license` of each names its licence."""

TEXT = """package language

import "os"

// ParseAcceptLanguage is so small that the compiler inlines it.
func ParseAcceptLanguage(s string) string { return os.Getenv(s) + "en" }

func Make(s string) string { return os.Getenv(s) }

type Matcher struct{ tag string }

func (m *Matcher) Match(s string) bool { return len(os.Args) > 1 && m.tag == s }
"""
WIDTH = """package width

import "os"

func Fold(s string) string { return os.Getenv(s) }
"""
HTML = """package html

import "os"

type Handler func(string) string

// Render returns a function literal and leaves no code of its own where it is inlined.
func Render() Handler { return func(s string) string { return os.Getenv(s) } }

func EscapeString(s string) string { return os.Getenv(s) }
"""
MODULES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("golang.org/x/text", "v0.3.7"): {"language/language.go": TEXT, "width/width.go": WIDTH},
    ("golang.org/x/net", "v0.12.0"): {"html/html.go": HTML},
    ("github.com/Shop/net", "v1.0.0"): {"html/html.go": HTML},
}
_GO_MOD = "go 1.21\n"


class GoPrograms:
    """Builds programs of one file in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._built: dict[tuple[object, ...], Path] = {}
        self._write_proxy()

    def build(
        self, source: str, *options: str, system: str = "linux", path: str = "example.com/app", requires: str = ""
    ) -> Path:
        """Return the executable of a program in the module `path`. requires: lines of go.mod beside all modules."""
        key = (source, options, system, path, requires)
        if key not in self._built:
            number = len(self._built)
            module = self.folder / f"program{number}"
            module.mkdir()
            (module / "main.go").write_text(source)
            needed = [f"require {name} {version}" for (name, version) in MODULES if f'"{name}/' in source]
            (module / "go.mod").write_text("\n".join([f"module {path}", _GO_MOD, *needed, requires, ""]))
            target = self.folder / f"app{number}"
            self._run(module, "build", "-o", str(target), *options, system=system)
            self._built[key] = target
        return self._built[key]

    def list_names(self, target: Path) -> list[str]:
        """Return the functions in the symbol table of an executable that is not stripped."""
        rows = self._run(self.folder, "tool", "nm", str(target)).splitlines()
        fields = [row.split(maxsplit=2) for row in rows]
        return [field[2] for field in fields if len(field) == 3 and field[1] in ("T", "t")]

    def _run(self, folder: Path, *command: str, system: str = "linux") -> str:
        environment = {
            "PATH": f"{Path(shutil.which('go') or '').parent}:/usr/bin:/bin",
            "HOME": str(Path.home()),
            "CGO_ENABLED": "0",
            "GOFLAGS": "-buildvcs=false -mod=mod -modcacherw",
            "GOMODCACHE": str(self.folder / "modules"),
            "GOOS": system,
            "GOPROXY": (self.folder / "proxy").as_uri(),
            "GOSUMDB": "off",
            "GOTOOLCHAIN": "local",
        }
        done = subprocess.run(
            ["go", *command], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _write_proxy(self) -> None:
        """Write the modules as the protocol of GOPROXY has them, where capital letters follow an exclamation mark."""
        for (name, version), files in MODULES.items():
            escaped = "".join(f"!{letter.lower()}" if letter.isupper() else letter for letter in name)
            folder = self.folder / "proxy" / escaped / "@v"
            folder.mkdir(parents=True)
            go_mod = f"module {name}\n\n{_GO_MOD}"
            (folder / "list").write_text(f"{version}\n")
            (folder / f"{version}.info").write_text(json.dumps({"Version": version}))
            (folder / f"{version}.mod").write_text(go_mod)
            with zipfile.ZipFile(folder / f"{version}.zip", "w") as archive:
                for path, text in {"go.mod": go_mod, **files}.items():
                    archive.writestr(f"{name}@{version}/{path}", text)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> GoPrograms:
    if shutil.which("go") is None:
        pytest.skip("Go is not installed")
    return GoPrograms(tmp_path_factory.mktemp("go-programs"))
