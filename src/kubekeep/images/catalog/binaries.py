"""Well-known programs and libraries without package metadata, recognised by a version string in the executable.

Only texts that the program's own build writes are accepted. The catalogue has the programs that official images install
from source; packages of a distribution are reported by its package manager.
"""

from __future__ import annotations

from typing import Final

from kubekeep.images.catalog.documents import is_plain
from kubekeep.images.content import CatalogRecord, Executable
from kubekeep.model.package import Package

PATTERNS: Final[tuple[str, ...]] = ()

THREE: Final = r"\d{1,3}\.\d{1,3}\.\d{1,3}"
RELEASE: Final = r"(?:(?:[0-9a-f]{12}|[A-Za-z][A-Za-z0-9.-]{0,62})-)?\d{11}[0-9a-f]{8}\x00"
"""After a version: host name (as of a container), time, number of changed lines and commit in one text (mkreleasehdr.sh)."""
VERSION_PATTERNS: Final = (
    ("bash", "**/bin/bash", rf"@\(#\)Bash version ({THREE})\("),
    ("bun", "**/bin/bun", rf"\x00Bun/({THREE})\x00"),
    ("busybox", "**/bin/busybox", rf"BusyBox v({THREE})"),
    ("curl", "**/bin/curl", rf"\x00curl/({THREE})\x00"),
    ("curl", "**/libcurl.so*", rf"libcurl/({THREE})"),
    ("deno", "**/deno", rf"Deno/({THREE})"),
    ("haproxy", "**/sbin/haproxy", rf"\x00({THREE})(?:-[0-9A-Za-z+~]+)+\x00"),
    ("httpd", "**/bin/httpd", rf"Apache/({THREE})"),
    ("httpd", "**/sbin/{httpd,apache2}", rf"Apache/({THREE})"),
    ("lighttpd", "**/sbin/lighttpd", rf"lighttpd/({THREE})"),
    ("mariadb", "**/{bin,sbin}/{mariadbd,mysqld}", rf"({THREE})-MariaDB"),
    ("memcached", "**/bin/memcached", rf"memcached ({THREE})"),
    ("mosquitto", "**/sbin/mosquitto", r"\x00([12]\.\d{1,2}\.\d{1,2})\x00"),
    ("nginx", "**/sbin/nginx*", rf"nginx version: nginx/({THREE})"),
    ("node", "**/node", rf"node\.js/v({THREE})"),
    ("openresty", "**/sbin/nginx*", r"nginx version: openresty/(\d{1,3}(?:\.\d{1,3}){3})"),
    ("openssl", "**/bin/openssl", rf"OpenSSL ({THREE}[a-z]{{0,2}}) +\d{{1,2}} [A-Z][a-z]{{2}} \d{{4}}"),
    ("openssl", "**/libcrypto.so*", rf"OpenSSL ({THREE}[a-z]{{0,2}}) +\d{{1,2}} [A-Z][a-z]{{2}} \d{{4}}"),
    ("perl", "**/bin/perl*", r"perl5?/(5\.\d{1,2}\.\d{1,2})"),
    ("perl", "**/libperl.so*", r"\x00v(5\.\d{1,2}\.\d{1,2})\x00"),
    ("php", "**/{bin,sbin}/php*", rf"X-Powered-By: PHP/({THREE}(?:(?:alpha|beta|RC)\d+)?)"),
    ("php", "**/libphp*.so", rf"X-Powered-By: PHP/({THREE}(?:(?:alpha|beta|RC)\d+)?)"),
    ("postgresql", "**/bin/postgres", r"postgres \(PostgreSQL\) (\d+(?:\.\d+){0,2}(?:(?:beta|rc)\d+)?)"),
    ("python", "**/bin/python3.*", r"\x00(3\.(?:[6-9]|[1-9]\d)\.\d{1,2}(?:(?:a|b|rc)\d+)?)\+?\x00"),
    ("python", "**/libpython3.*", r"\x00(3\.(?:[6-9]|[1-9]\d)\.\d{1,2}(?:(?:a|b|rc)\d+)?)\+?\x00"),
    ("redis", "**/bin/redis-server", r"\x00([2-9]\.\d{1,2}\.\d{1,2})\x00(?:c11|gcc|sync)-builtin\x00"),
    ("redis", "**/bin/redis-server", rf"([2-9]\.\d{{1,2}}\.\d{{1,2}}?){RELEASE}"),
    ("ruby", "**/bin/ruby*", rf"ruby ({THREE})(?:p\d+|(?:dev|preview|rc)\d*)? \(\d{{4}}-"),
    ("ruby", "**/libruby*.so*", rf"ruby ({THREE})(?:p\d+|(?:dev|preview|rc)\d*)? \(\d{{4}}-"),
    ("sqlite", "**/libsqlite3.so*", r"\x00(3\.\d{1,2}\.\d{1,2})\x00"),
    ("valkey", "**/bin/valkey-server", rf"\x00valkey(\d{{1,2}}\.\d{{1,2}}\.\d{{1,2}}?){RELEASE}"),
    ("varnish", "**/sbin/varnishd", rf"varnish-({THREE})"),
    ("zlib", "**/libz.so*", r"deflate (\d\.\d{1,2}(?:\.\d{1,2}){0,2}) Copyright"),
)


def read_executable(executable: Executable) -> CatalogRecord | None:
    """Return the programs whose version patterns match in an executable."""
    packages = [
        Package(type="generic", name=name, version=version, evidence="version string")
        for name, version in dict(executable.versions).items()
        if is_plain(version) and name in NAMES
    ]
    return CatalogRecord(executable.path, "binaries", tuple(packages)) if packages else None


NAMES: Final = frozenset(name for name, _, _ in VERSION_PATTERNS)
