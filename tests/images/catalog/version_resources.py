"""Version resources of Windows files, and assemblies of .NET with them."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_SECTION = 0x200
_ADDRESS = 0x1000


def build_resource(fields: Mapping[str, str]) -> bytes:
    """Return a version resource (VS_VERSIONINFO) with texts in one language."""
    strings = b"".join(
        _pad(_build(key, value.encode("utf-16-le") + b"\0\0", is_text=True)) for key, value in fields.items()
    )
    table = _build("StringFileInfo", _build("040904b0", strings, size=0, is_text=True), size=0, is_text=True)
    variables = _build("VarFileInfo", _build("Translation", b"\x09\x04\xb0\x04"), size=0, is_text=True)
    fixed = struct.pack("<13I", 0xFEEF04BD, 0x10000, *range(11))
    return _build("VS_VERSION_INFO", fixed + _pad(table) + variables, size=len(fixed))


def _build(key: str, content: bytes, *, size: int | None = None, is_text: bool = False) -> bytes:
    name = key.encode("utf-16-le") + b"\0\0"
    padding = b"\0" * (-(6 + len(name)) % 4)
    count = len(content) // (2 if is_text else 1) if size is None else size
    total = 6 + len(name) + len(padding) + len(content)
    return struct.pack("<HHH", total, count, int(is_text)) + name + padding + content


def _pad(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 4)


def build_assembly(fields: Mapping[str, str], *, is_managed: bool = True) -> bytes:
    """Return a library for Windows (PE32) with a version resource, and with the header of the .NET runtime."""
    resource = build_resource(fields)
    tree = b"".join(
        struct.pack("<IIHHHHII", 0, 0, 0, 0, 0, 1, identifier, offset)
        for identifier, offset in ((16, 0x80000018), (1, 0x80000030), (1033, 0x48))
    )
    tree += struct.pack("<IIII", _ADDRESS + 0x58, len(resource), 0, 0) + resource
    directories = [(0, 0)] * 16
    directories[2] = (_ADDRESS, len(tree))
    directories[14] = (_ADDRESS, 72) if is_managed else (0, 0)
    size = -(-len(tree) // 0x200) * 0x200
    optional = struct.pack(
        "<HBBIIIIIIIIIHHHHHHIIIIHHIIIIII",
        0x10B, 8, 0, 0, size, 0, 0, _ADDRESS, _ADDRESS, 0x10000000, 0x1000, 0x200,
        4, 0, 0, 0, 4, 0, 0, 0x3000, 0x200, 0, 3, 0, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16,
    )  # fmt: skip
    optional += b"".join(struct.pack("<II", *directory) for directory in directories)
    header = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0"
    header += struct.pack("<HHIIIHH", 0x14C, 1, 0, 0, 0, len(optional), 0x2102) + optional
    header += struct.pack("<8sIIIIIIHHI", b".rsrc", len(tree), _ADDRESS, size, _SECTION, 0, 0, 0, 0, 0x40000040)
    return header.ljust(_SECTION, b"\0") + tree.ljust(size, b"\0")


def build_bundle(libraries: bytes) -> bytes:
    """Return a .NET program of a single file: an ELF file whose data section leads to the header of the bundle."""
    signature = bytes.fromhex("8b1202b96a612038727b930214d7a03213f5b9e6efae3318ee3b2dce24b36aae")
    names = b"\0.data\0.shstrtab\0"
    start, data, text = 64, 64, 64 + 40
    header = text + len(names)
    sections = header + 13 + 4 + 40
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", *section)
        for section in (
            (0,) * 10,
            (1, 1, 3, 0x400000, data, 40, 0, 0, 8, 0),
            (7, 3, 0, 0, text, len(names), 0, 0, 1, 0),
        )
    )
    libraries_start = sections + len(table)
    file = b"\x7fELF\x02\x01\x01" + bytes(9)
    file += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, sections, 0, start, 56, 0, 64, 3, 2)
    file += struct.pack("<Q", header) + signature + names
    file += struct.pack("<IIiB4sqqqqQ", 6, 0, 1, 4, b"name", libraries_start, len(libraries), 0, 0, 0)
    return file + table + libraries
