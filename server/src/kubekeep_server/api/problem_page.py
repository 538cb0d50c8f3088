"""The page of a problem, for a browser that has opened the address itself: after a sign-in, or for a download. Pure text, no script."""

from __future__ import annotations

import html
from collections.abc import Mapping
from string import Template
from typing import Any, Final

_PAGE: Final = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title - Kubekeep</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/problem.css">
</head>
<body>
<main>
<h1>$title</h1>
<p>$detail</p>
<p><a href="/">Go to Kubekeep</a></p>
<p><small>Status $status, request <code>$requestId</code>, for the log of the server</small></p>
</main>
</body>
</html>
""")


def write_page(document: Mapping[str, Any]) -> str:
    """Return the page of a problem document."""
    return _PAGE.substitute({name: html.escape(str(value)) for name, value in document.items()})
