"""An image with Java archives: plain ones, a war, two Spring Boot archives and shaded ones. The truth is Maven's list."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from images.builders.image import ImageBuild, Row, read, read_packages

ZIPKIN = ("io.zipkin", "zipkin-server", "2.23.2")
PLAIN = read_packages("java", "plain")
UNVERSIONED = read_packages("java", "unversioned")
"""Archives without a version in the file name, as `jsoup.jar`."""
OTHER = read_packages("java", "other")
MORE = read_packages("java", "more")
WAR = read_packages("java", "war")
BOOT = read_packages("java", "boot")
SHADED = read_packages("java", "shaded")
HEAD = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>com.example.shop</groupId><artifactId>{name}</artifactId><version>1.4.2</version>
<packaging>{packaging}</packaging>{parent}<properties><maven.compiler.source>17</maven.compiler.source>
<maven.compiler.target>17</maven.compiler.target>
<project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<dependencies>{dependencies}</dependencies><build><plugins>{plugins}</plugins></build></project>
"""
PARENT = """<parent><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-parent</artifactId>
<version>3.3.5</version></parent>"""
BOOT_PLUGIN = """<plugin><groupId>org.springframework.boot</groupId><artifactId>spring-boot-maven-plugin</artifactId>
</plugin>"""
WAR_PLUGIN = """<plugin><artifactId>maven-war-plugin</artifactId><version>3.4.0</version><configuration>
<failOnMissingWebXml>false</failOnMissingWebXml></configuration></plugin>"""
SHADE_PLUGIN = """<plugin><artifactId>maven-shade-plugin</artifactId><version>3.6.0</version><executions><execution>
<phase>package</phase><goals><goal>shade</goal></goals><configuration><relocations><relocation><pattern>com.google</pattern>
<shadedPattern>shop.shaded.google</shadedPattern></relocation></relocations></configuration></execution></executions></plugin>"""
LISTED = r"^\s+([\w.-]+):([\w.-]+):(?:jar|bundle|test-jar)(?::[\w.-]+)?:([^:\s]+):(?:compile|runtime)"
STARTERS = "org.springframework.boot/spring-boot-starter"
"""Archives without content. Spring Boot leaves them out of executable archives."""
LAYER_TOOLS = [
    ("org.springframework.boot/spring-boot-jarmode-layertools", "2.4.1"),
    ("org.springframework.boot/spring-boot-jarmode-tools", "3.3.5"),
]
"""Archives added by the build of Spring Boot."""
JAVA_MAIN = "package com.example.shop; public class Main { public static void main(String[] a) { } }\n"


def build_java(image: ImageBuild) -> None:
    """Build the archives with Maven; the upper layer replaces one archive and deletes another."""
    image.start()
    parts = image.bundle / "projects"
    opt = image.root / "opt"
    rows = _copy_plain(_write_project(parts, "plain", PLAIN), opt / "plain/lib")
    rows += _copy_plain(_write_project(parts, "unversioned", UNVERSIONED), opt / "unversioned", "-Dmdep.stripVersion")
    image.commit()
    rows += _package(_write_project(parts, "war", WAR, "war", WAR_PLUGIN), opt / "tomcat/webapps")
    rows += _package(_write_project(parts, "boot", BOOT, "jar", BOOT_PLUGIN, PARENT), opt / "boot")
    rows += _package(_write_project(parts, "shaded", SHADED, "jar", SHADE_PLUGIN), opt / "shaded")
    rows += _copy_zipkin(parts / "zipkin", opt / "zipkin")
    rows += [row for path in sorted(opt.rglob("*.?ar")) for row in list_shaded(path.read_bytes(), path.stem)]
    rows += LAYER_TOOLS
    image.commit()
    (opt / "plain/lib/fastjson-1.2.83.jar").unlink()
    copy_artifact("com.alibaba:fastjson:2.0.53", opt / "plain/lib")
    (opt / "plain/lib/junit-4.13.2.jar").unlink()
    changed = {("com.alibaba/fastjson", "1.2.83"), ("junit/junit", "4.13.2")}
    image.record("maven", [row for row in rows if row not in changed] + [("com.alibaba/fastjson", "2.0.53")])


def build_libraries(image: ImageBuild) -> None:
    """Build an image with two more sets of libraries, chosen before their results were known."""
    image.start()
    rows: list[Row] = []
    for name, libraries in (("other", OTHER), ("more", MORE)):
        folder = image.root / "opt" / name
        rows += _copy_plain(_write_project(image.bundle / "projects", name, libraries), folder)
        rows += [row for path in sorted(folder.glob("*.jar")) for row in list_shaded(path.read_bytes(), path.stem)]
    image.record("maven", rows)


def copy_artifact(coordinates: str, folder: Path) -> None:
    """Copy an artifact of Maven Central into a folder."""
    read("mvn", "--quiet", "dependency:copy", f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}",
         "-Dmdep.useBaseVersion=true")  # fmt: skip


def _write_project(
    parts: Path, name: str, dependencies: list[str], packaging: str = "jar", plugins: str = "", parent: str = ""
) -> Path:
    """Write a Maven project."""
    entries = []
    for coordinates in dependencies:
        group, artifact, *version = coordinates.split(":")
        text = f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        text += "".join(f"<version>{each}</version>" for each in version)
        entries.append(f"<dependency>{text}</dependency>")
    folder = parts / name
    (folder / "src/main/java/com/example/shop").mkdir(parents=True)
    (folder / "src/main/java/com/example/shop/Main.java").write_text(JAVA_MAIN)
    values = {"name": name, "packaging": packaging, "plugins": plugins, "parent": parent}
    (folder / "pom.xml").write_text(HEAD.format(dependencies="".join(entries), **values))
    return folder / "pom.xml"


def _list_dependencies(pom: Path) -> list[Row]:
    """Return the artifacts in Maven's list for the run time of a project."""
    output = pom.with_suffix(".list")
    read("mvn", "--quiet", "--file", str(pom), "dependency:list", "-DincludeScope=runtime", f"-DoutputFile={output}",
         "-Dmdep.outputScope=true")  # fmt: skip
    matches = re.finditer(LISTED, output.read_text(), re.MULTILINE)
    return [(f"{match[1]}/{match[2]}", match[3]) for match in matches]


def _copy_plain(pom: Path, folder: Path, *options: str) -> list[Row]:
    """Copy the dependencies of a project into a folder."""
    read("mvn", "--quiet", "--file", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime",
         f"-DoutputDirectory={folder}", *options)  # fmt: skip
    return _list_dependencies(pom)


def _package(pom: Path, folder: Path) -> list[Row]:
    """Build the archive of a project and copy it."""
    read("mvn", "--quiet", "--file", str(pom), "package")
    folder.mkdir(parents=True)
    name = pom.parent.name
    archive = next(path for suffix in ("jar", "war") for path in (pom.parent / "target").glob(f"{name}-1.4.2.{suffix}"))
    archive.rename(folder / archive.name)
    dependencies = [row for row in _list_dependencies(pom) if not row[0].startswith(STARTERS)]
    return [("com.example.shop/" + name, "1.4.2"), *dependencies]


def list_shaded(content: bytes, stem: str) -> Iterator[Row]:
    """Yield the libraries merged into an archive, or into archives in it, by the builds of others.

    Maven lists them nowhere but in the files `pom.properties` in the archive. That of the archive itself is left out.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if name.endswith(".jar"):
                is_dependency = "-INF/lib/" in name
                yield from list_shaded(archive.read(name), PurePosixPath(name).stem if is_dependency else "")
            elif re.search(r"(^|/)META-INF/maven/[^/]+/[^/]+/pom\.properties$", name):
                text = archive.read(name).decode()
                values = dict(re.findall(r"(?m)^(groupId|artifactId|version)\s*=\s*(\S+)", text))
                if len(values) == 3 and not stem.startswith(values["artifactId"]):
                    yield f"{values['groupId']}/{values['artifactId']}", values["version"]


def _copy_zipkin(parts: Path, folder: Path) -> list[Row]:
    """Copy the executable archive of Zipkin, and list the dependencies of its own project."""
    group, artifact, version = ZIPKIN
    copy_artifact(f"{group}:{artifact}:{version}:jar:exec", folder)
    copy_artifact(f"{group}:{artifact}:{version}:pom", parts)
    return [(f"{group}/{artifact}", version), *_list_dependencies(parts / f"{artifact}-{version}.pom")]
