"""Options of reading the signatures of images during a scan. Values only; reads nothing."""

from __future__ import annotations

import msgspec


class SignatureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a scan: verify the signatures of images, and evaluate the image policy in the file `policy`."""

    verify: bool = False
    policy: str = ""
