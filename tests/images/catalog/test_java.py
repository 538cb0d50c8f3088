"""Java archives against Maven: an application with 111 nested libraries, and 541 libraries of many projects.

`record_archives` made both fixtures from real archives and `mvn dependency:list`. The second sample was chosen before
its results were known.
"""

from __future__ import annotations

import json

import msgspec
import pytest

from kubekeep.images.catalog import java, maven_files
from kubekeep.images.content import Archive, CatalogRecord, LayerFile
from tests.images.catalog.reading import RECORDED, list_names, measure, read_packages

NOT_LISTED = ("org.springframework.boot", "spring-boot-jarmode-layertools", "2.4.1", "")
"""Spring Boot's plug-in adds it to applications; it is no dependency, so Maven does not list it."""

Coordinates = tuple[str, str, str, str]


def load(name: str) -> tuple[list[Archive], dict[str, Coordinates]]:
    """Return recorded archives, and the coordinates that Maven lists by path."""
    archives, expected = [], {}
    for path, coordinates, headers, properties, folders in json.loads((RECORDED / name).read_text()):
        descriptors = tuple((file, content.encode()) for file, content in properties)
        manifest = "\n".join(headers).encode()
        archives.append(
            Archive(path, "0" * 40, manifest, descriptors, tuple((folder, count) for folder, count in folders))
        )
        if coordinates:
            expected[path] = tuple(coordinates)
    return archives, expected


def list_coordinates(records: list[CatalogRecord]) -> dict[str, Coordinates]:
    """Return the coordinates of each archive that is a library itself."""
    packages = {record.path: record.packages[0] for record in records if not record.path.endswith(".properties")}
    return {
        path: (package.namespace, package.name, package.version, dict(package.qualifiers).get("classifier", ""))
        for path, package in packages.items()
    }


def test_application() -> None:
    archives, expected = load("zipkin-server.json")

    actual = list_coordinates(java.read_archives(archives))

    application = actual.pop("opt/zipkin-server-2.23.2-exec.jar")
    assert application == ("io.zipkin", "zipkin-server", "2.23.2", "exec")
    assert len(expected) == 110
    assert set(actual.values()) == {*expected.values(), NOT_LISTED}
    assert all(actual[path] == coordinates for path, coordinates in expected.items())


def test_libraries() -> None:
    archives, expected = load("java-libraries.json")

    actual = list_coordinates(java.read_archives(archives))

    assert len(expected) == 541
    recall, precision = measure(set(actual.values()), set(expected.values()))
    assert min(recall, precision) >= 0.99


def test_libraries_without_the_files_of_maven() -> None:
    """Without the exact files the groups come from the rules alone; no group is better than a wrong one."""
    archives, expected = load("java-libraries.json")
    actual = list_coordinates(
        java.read_archives([msgspec.structs.replace(archive, descriptors=()) for archive in archives])
    )
    correct = sum(actual.get(path) == coordinates for path, coordinates in expected.items())
    assert correct / len(expected) >= 0.9


def test_shaded_libraries() -> None:
    archive = build(
        "opt/netty-common-4.1.54.Final.jar",
        ("io.netty", "netty-common", "4.1.54.Final"),
        ("org.jctools", "jctools-core", "3.1.0"),
    )
    records = java.read_archives([archive])
    assert [(record.path, list_names(record.packages)) for record in records] == [
        ("opt/netty-common-4.1.54.Final.jar", {("io.netty/netty-common", "4.1.54.Final")}),
        (
            "opt/netty-common-4.1.54.Final.jar!/META-INF/maven/org.jctools/jctools-core/pom.properties",
            {("org.jctools/jctools-core", "3.1.0")},
        ),
    ]


def build(path: str, *coordinates: tuple[str, str, str], manifest: str = "", folders: tuple[str, ...] = ()) -> Archive:
    """Return an archive with a `pom.properties` for each of the coordinates."""
    descriptors = tuple(
        (
            f"META-INF/maven/{group}/{name}/pom.properties",
            f"#Created\nversion={version}\ngroupId={group}\nartifactId={name}\n".encode(),
        )
        for group, name, version in coordinates
    )
    return Archive(path, "0" * 40, manifest.encode(), descriptors, tuple((folder, 10) for folder in folders))


@pytest.mark.parametrize(
    ("archive", "expected"),
    [
        # A shaded library is not the archive: neither name nor version agree.
        (
            build(
                "armeria-1.3.0.jar",
                ("com.github.ben-manes.caffeine", "caffeine", "2.8.0"),
                folders=("com/linecorp/armeria",),
            ),
            ("com.linecorp.armeria", "armeria", "1.3.0", ""),
        ),
        (build("app.jar", ("com.example", "shop", "1.0-SNAPSHOT")), ("com.example", "shop", "1.0-SNAPSHOT", "")),
        (
            build("shop-1.0-20240101.101010-1.jar", ("com.example", "shop", "1.0-SNAPSHOT")),
            ("com.example", "shop", "1.0-SNAPSHOT", ""),
        ),
        (
            build(
                "shop-1.0-jar-with-dependencies.jar",
                ("com.example", "shop", "1.0"),
                ("org.slf4j", "slf4j-api", "2.0.0"),
            ),
            ("com.example", "shop", "1.0", "jar-with-dependencies"),
        ),
        (
            build(
                "micrometer-core.jar",
                manifest="Implementation-Title: io.micrometer#micrometer-core;1.6.2\nImplementation-Version: 1.6.2",
            ),
            ("io.micrometer", "micrometer-core", "1.6.2", ""),
        ),
        (build("javax.inject-1.jar", folders=("javax/inject",)), ("javax.inject", "javax.inject", "1", "")),
        (build("aopalliance-1.0.jar", folders=("org/aopalliance/aop",)), ("aopalliance", "aopalliance", "1.0", "")),
        (
            build("commons-io-2.11.0.jar", folders=("org/apache/commons/io",)),
            ("commons-io", "commons-io", "2.11.0", ""),
        ),
        (
            build("commons-lang3-3.12.0.jar", folders=("org/apache/commons/lang3",)),
            ("org.apache.commons", "commons-lang3", "3.12.0", ""),
        ),
        (build("asm-3.3.1.jar", folders=("org/objectweb/asm",)), ("asm", "asm", "3.3.1", "")),
        (build("asm-9.6.jar", folders=("org/objectweb/asm",)), ("org.ow2.asm", "asm", "9.6", "")),
        (
            build("log4j-1.2-api-2.13.3.jar", folders=("org/apache/log4j",)),
            ("org.apache.logging.log4j", "log4j-1.2-api", "2.13.3", ""),
        ),
        (build("kafka_2.13-3.7.0.jar", folders=("kafka/server",)), ("org.apache.kafka", "kafka_2.13", "3.7.0", "")),
        # A name of the table does not count if the classes are those of somebody else.
        (
            build("spring-core-5.0.0.jar", folders=("org/myorg/spring",)),
            ("org.myorg.spring", "spring-core", "5.0.0", ""),
        ),
        (
            build(
                "usr/local/tomcat/lib/catalina.jar",
                manifest="Implementation-Title: Apache Tomcat\nImplementation-Version: 10.1.24\n"
                "Bundle-SymbolicName: org.apache.tomcat-catalina",
                folders=("org/apache/catalina/core",),
            ),
            ("org.apache.tomcat", "tomcat-catalina", "10.1.24", ""),
        ),
        (
            build(
                "usr/local/tomcat/bin/bootstrap.jar",
                manifest="Implementation-Title: Apache Tomcat Bootstrap\nImplementation-Version: 10.1.24",
                folders=("org/apache/catalina/startup",),
            ),
            ("org.apache.tomcat", "tomcat", "10.1.24", ""),
        ),
        (
            build("app/lib/main/com.squareup.okio.okio-jvm-3.6.0.jar", folders=("okio",)),
            ("com.squareup.okio", "okio-jvm", "3.6.0", ""),
        ),
        (
            build(
                "app/lib/main/jakarta.inject.jakarta.inject-api-2.0.1.jar",
                ("jakarta.inject", "jakarta.inject-api", "2.0.1"),
            ),
            ("jakarta.inject", "jakarta.inject-api", "2.0.1", ""),
        ),
        (build("unknown-1.0.jar", folders=("a/b",)), ("", "unknown", "1.0", "")),
        (
            build(
                "cats-core_2.13-2.12.0.jar",
                manifest="Implementation-Vendor-Id: org.typelevel\nImplementation-Vendor: Typelevel",
                folders=("cats/data",),
            ),
            ("org.typelevel", "cats-core_2.13", "2.12.0", ""),
        ),
        (
            build("json-path-2.9.0.jar", folders=("com/jayway/jsonpath", "com/jayway/jsonpath/internal")),
            ("com.jayway.jsonpath", "json-path", "2.9.0", ""),
        ),
        (
            build(
                "commons-httpclient.jar",
                manifest="Manifest-Version: 1.0\n\nName: org/apache/commons/httpclient\nImplementation-Version: 3.1\n",
                folders=("org/apache/commons/httpclient",),
            ),
            ("commons-httpclient", "commons-httpclient", "3.1", ""),
        ),
        (build("bsh-2.0b4.jar", folders=("bsh",)), ("org.beanshell", "bsh", "2.0b4", "")),
        (build("bsh-2.0b6.jar", folders=("bsh",)), ("org.apache-extras.beanshell", "bsh", "2.0b6", "")),
        (
            build("com.ibm.mq.allclient-9.4.1.0.jar", folders=("com/ibm/mq", "com/ibm/msg", "javax/jms", "org/json")),
            ("com.ibm.mq", "com.ibm.mq.allclient", "9.4.1.0", ""),
        ),
        (
            build("plot-base-jvm-4.1.0.jar", folders=("org/jetbrains/letsPlot/core", "org/jetbrains/letsPlot")),
            ("org.jetbrains.lets-plot", "plot-base-jvm", "4.1.0", ""),
        ),
        (build("xmlenc-0.52.jar", folders=("org/znerd/xmlenc",)), ("xmlenc", "xmlenc", "0.52", "")),
        (build("xom-1.3.9.jar", folders=("nu/xom",)), ("xom", "xom", "1.3.9", "")),
        (
            build("bcprov-jdk14-1.38.jar", folders=("org/bouncycastle/asn1",)),
            ("org.bouncycastle", "bcprov-jdk14", "1.38", ""),
        ),
        (
            build("bcprov-jdk14-138.jar", folders=("org/bouncycastle/asn1",)),
            ("bouncycastle", "bcprov-jdk14", "138", ""),
        ),
        (
            build("opentelemetry-gcp-resources-1.37.0-alpha.jar", folders=("io/opentelemetry/contrib/gcp/resource",)),
            ("io.opentelemetry.contrib", "opentelemetry-gcp-resources", "1.37.0-alpha", ""),
        ),
    ],
)
def test_coordinates(archive: Archive, expected: Coordinates) -> None:
    assert list_coordinates(java.read_archives([archive])).get(archive.path) == expected


def test_library_of_a_runtime() -> None:
    manifest = "Implementation-Title: Java Runtime Environment\nImplementation-Version: 17.0.9"
    assert java.read_archives([build("opt/java/openjdk/lib/jrt-fs.jar", manifest=manifest)]) == []


def test_licences() -> None:
    archive = build(
        "a-1.0.jar",
        ("g", "a", "1.0"),
        manifest='Bundle-License: "https://www.apache.org/licenses/LICENSE-2.0.txt";link="x", MIT',
    )
    (record,) = java.read_archives([archive])
    assert record.packages[0].licences == ("Apache-2.0", "MIT")
    pom = b'<project xmlns="http://maven.apache.org/POM/4.0.0"><licenses><license><name>Apache License, Version 2.0</name></license></licenses></project>'
    archive = msgspec.structs.replace(archive, descriptors=(*archive.descriptors, ("META-INF/maven/g/a/pom.xml", pom)))
    (record,) = java.read_archives([archive])
    assert record.packages[0].licences == ("Apache-2.0",)


def test_project_file_without_properties() -> None:
    pom = b"<project><parent><groupId>g</groupId><version>2.0</version></parent><artifactId>a</artifactId></project>"
    archive = Archive("a-2.0.jar", "0" * 40, descriptors=(("META-INF/maven/g/a/pom.xml", pom),))
    assert list_coordinates(java.read_archives([archive])) == {"a-2.0.jar": ("g", "a", "2.0", "")}


@pytest.mark.parametrize(
    ("fields", "name", "version"),
    [
        (
            'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_VERSION="17.0.9"\nJAVA_RUNTIME_VERSION="17.0.9+9"\n',
            "openjdk",
            "17.0.9+9",
        ),
        ('IMPLEMENTOR="GraalVM Community"\nJAVA_VERSION="21.0.2"\nGRAALVM_VERSION="23.1.2"\n', "graalvm", "21.0.2"),
        ('JAVA_VERSION="1.8.0_402"\nOS_NAME="Linux"\n', "openjdk", "1.8.0_402"),
    ],
)
def test_runtimes(fields: str, name: str, version: str) -> None:
    (package,) = read_packages(java, "opt/java/openjdk/release", fields)
    assert (package.type, package.name, package.version) == ("generic", name, version)


def test_other_release_files() -> None:
    assert java.read(LayerFile("etc/release", b"Debian 12")) is None


def test_project_and_lock_files() -> None:
    pom = """<project><groupId>g</groupId><version>1.0</version><properties><v>2.0</v></properties><dependencies>
        <dependency><groupId>a</groupId><artifactId>fixed</artifactId><version>1.1</version></dependency>
        <dependency><groupId>a</groupId><artifactId>property</artifactId><version>${v}</version></dependency>
        <dependency><groupId>${project.groupId}</groupId><artifactId>own</artifactId><version>${project.version}</version></dependency>
        <dependency><groupId>a</groupId><artifactId>managed</artifactId></dependency>
        <dependency><groupId>a</groupId><artifactId>range</artifactId><version>[1,2)</version></dependency>
        <dependency><groupId>a</groupId><artifactId>test</artifactId><version>1</version><scope>test</scope></dependency>
        </dependencies></project>"""
    expected = {("a/fixed", "1.1"), ("a/property", "2.0"), ("g/own", "1.0")}
    assert list_names(read_packages(maven_files, "pom.xml", pom)) == expected
    lock = "# comment: a:b\norg.slf4j:slf4j-api:2.0.9=compileClasspath,runtimeClasspath\nempty=annotationProcessor\n"
    assert list_names(read_packages(maven_files, "gradle.lockfile", lock)) == {("org.slf4j/slf4j-api", "2.0.9")}
