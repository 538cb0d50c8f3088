"""Compare SBOMs with the package managers: `python benchmarks/images/truth.py FOLDER build|compare [IMAGE...]`.

`build` creates images as OCI layouts below FOLDER and runs the package managers in them; their lists are written to
`FOLDER/truth/IMAGE.TYPE.tsv`. Images that exist are not built again. It needs root, the tools that `builders/image.py`
names, Go, Rust, Maven, npm, rpm and the package registries, and takes about 20 minutes.

`compare` runs a program that writes CycloneDX on each image. `explained.toml` lists the rows in which both differ for a
good reason. Asserts nothing.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from images.builders import alpine, debian, go, java, mixed, node, python, rpm, ruby
from images.builders.image import ImageBuild
from images.comparison import Comparison, compare_image, print_comparisons

BUILDERS: dict[str, Callable[[ImageBuild], None]] = {
    "minimal": debian.build_minimal,
    "debian": debian.build_debian,
    "distroless": debian.build_distroless,
    "python": python.build_python,
    "node": node.build_node,
    "java": java.build_java,
    "libraries": java.build_libraries,
    "go": go.build_go,
    "rust": go.build_rust,
    "ruby": ruby.build_ruby,
    "rpm-sqlite": rpm.build_sqlite,
    "rpm-ndb": rpm.build_ndb,
    "rpm-berkeley": rpm.build_berkeley,
    "alpine": alpine.build_alpine,
    "mixed": mixed.build_mixed,
}
KUBEKEEP = f"{Path(sys.executable).parent / 'kubekeep'} image sbom oci:{{image}} -f cyclonedx -o {{sbom}}"


def build_images(folder: Path, names: list[str]) -> None:
    """Build the missing images."""
    for name in names:
        if (folder / name).exists():
            continue
        start = time.monotonic()
        image = ImageBuild(folder, name)
        BUILDERS[name](image)
        image.finish()
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)


def compare_images(folder: Path, names: list[str], command: list[str]) -> None:
    """Run a program on the images and print how its lists differ from those of the package managers."""
    comparisons: list[Comparison] = []
    for name in names:
        if (folder / name).exists():
            comparisons += compare_image(folder, name, command)
    print_comparisons(comparisons)


def main() -> None:
    """Build or compare."""
    parser = argparse.ArgumentParser(description="Compare SBOMs with the lists of the package managers.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("action", choices=("build", "compare"))
    parser.add_argument("images", nargs="*", metavar="IMAGE", default=list(BUILDERS))
    parser.add_argument("--command", default=KUBEKEEP, help="command with {image}, an OCI layout, and {sbom}")
    options = parser.parse_intermixed_args()
    folder = options.folder.resolve()
    if options.action == "build":
        build_images(folder, options.images)
    else:
        compare_images(folder, options.images, shlex.split(options.command))


if __name__ == "__main__":
    main()
