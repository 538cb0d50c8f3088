"""Dockerfiles for tests: valid, odd and invalid ones, and random changes of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

FILES: Final = (
    "FROM scratch\n",
    'from alpine\nrun echo hello\nCmd ["sh", "-c", "echo a"]\n',
    "\ufeffFROM alpine\r\nRUN echo a \\\r\n  && echo b\r\nUSER app\r\n",
    "# syntax=docker/dockerfile:1.7\n# escape=`\nFROM mcr.example/server\nRUN dir `\n  C:\\ `\n# comment\n  C:\\x\n",
    "# escape = \\\n\n# escape=`\nFROM a\nRUN a \\\n b\n",
    "# check=skip=all\n#syntax = x\n#Escape=`\nFROM a\nCOPY a `\n\n\n  b /c/\n",
    "# escape=^\nFROM a\n",
    "# syntax=a\n# syntax=b\nFROM a\n",
    "# not a directive\n# escape=`\nFROM a\nRUN a `\n",
    (
        'ARG TAG=1.0\nARG A B=2 C="a b"\nFROM --platform=$BUILDPLATFORM registry.example:5000/a/b:${TAG:-2}@sha256:aa AS Build-1\n'
        'ARG TAG\nENV A=1 B="two words" C=three\\ words D=\'$x\'\nENV OLD some old value\nLABEL a.b=c "d e"="f \\\n  g"\n'
        "FROM build-1\nCOPY --from=build-1 --chown=1:1 --chmod=0755 /a /b /c/\n"
    ),
    (
        "FROM a\nRUN --mount=type=secret,id=token,required=true --mount=type=cache,target=/x \\\n  --network=none \\\n"
        '  # a comment\n\n  --security=insecure -- cat /run/secrets/token && \\\n  \\\n echo "done\\\n" \\\\\nUSER 1000:1000\n'
    ),
    'FROM a\nRUN <<EOF\n#!/bin/sh\nset -e\necho "$A" <<X\nEOF\nRUN <<-\'E\' bash -s && cat <<"F"\n\tone\n\tE\n two \nF\nCMD x\n',
    'FROM a\nCOPY <<a <<-"b" c /d/\nfirst $X\na\n\tsecond\n\tb\nADD --link <<x /y\nx\nCOPY ["<<x", "/y"]\n',
    "FROM a\nONBUILD RUN --mount=type=bind echo a\nONBUILD COPY <<x /y\nz\nx\nONBUILD ENV A=1\nonbuild user b\n",
    (
        "FROM a\nHEALTHCHECK --interval=5m30.5s --timeout=3s --retries=3 CMD curl -f http://localhost/ || exit 1\n"
        'HEALTHCHECK NONE\nhealthcheck cmd ["a", "b"]\n'
    ),
    (
        'FROM a\nEXPOSE 80/tcp  22 $PORT\nVOLUME ["/a", "/b c"]\nVOLUME /a /b\nSTOPSIGNAL --x SIGKILL\nSHELL ["a", "-c"]\nWORKDIR  /a b \n'
        'MAINTAINER a b <c>\nARG --x y\nENTRYPOINT exec top -b\nADD ["a b", "c"]\n'
    ),
    'FROM a\nRUN ["a", "b\\u0041\\ud83d\\ude00\\ud800", ""]\nRUN [ "a" ] x\nRUN [\'a\']\nCMD []\nCMD ["a",]\nCMD [1e5]\n',
    'FROM a\nENV A="x\\\n y" B=\'\\\' C=a\\"b D=\\\nENV E\\\n=f\nENV G=$A${B}c"$D"\n',
    "FROM a\nRUN echo \\\n\n\n# c\n   \\\n last\n\nRUN a\\",
    "FROM a\nENV A\nRUN x\n",
    "FROM a b\n",
    "FROM a AS 1x\n",
    "RUN a\nFROM b\n",
    "ARG A=1\n",
    "",
    "\n# only a comment\n",
    "FROM a\nCOPY x\n",
    "FROM a\nCOPY --bad x y\n",
    "FROM a\nRUN <<EOF\nx\n",
    "FROM a\nFOO bar\n",
    "FROM a\nSHELL sh\nUSER\n",
    "FROM a\nONBUILD ONBUILD RUN x\n",
    "FROM a\nCOPY --link=maybe --from= a b\n",
    "FROM a\nHEALTHCHECK --interval=1us CMD x\n",
    "FROM a\nRUN --mount=type=bind,from=$X a\n",
    'FROM a\nRUN --mount="type=secret,id=a" --mount=type=\'x"y\' b\n',
    "FROM a\nLABEL =x\nEXPOSE\nADD <<a <<b\n",
    "FROM a\nRUN echo <<< x << y <<'z z' 3<<E5\n1\ny\n2\nz z\n3\nE5\n",
    "FROM a\nRUN a $(cat <<E) \"<<F\" '<<G' \\<<H\nx\nE\n",
    "FROM a\nRUN cat <<E${x:-y} a\nx\nE\n",
)
_LINES: Final = (
    "FROM alpine:3.20 AS base",
    "FROM --platform=linux/arm64 base as final",
    "RUN apk add --no-cache curl && \\\n  echo done",
    "# kubekeep: a comment",
    "",
    "   \\\nUSER a",
    "RUN <<EOF\necho a\n\n# b\nEOF",
    "RUN <<-EOF cat\n\techo a\n\tEOF",
    "COPY --chown=a:b <<'x y' /z\n$A\nx y",
    "RUN cat <<A <<B && echo \\\n  c\na\nA\nb\nB",
    'ENV A="b c" D=e\\ f',
    "ENV OLD  value with   spaces ",
    'ARG X=1 Y Z=""',
    "USER ${X:-root}",
    'CMD ["a", "b"]',
    "LABEL a=b \\\n\n# c\n  d=e",
    "ONBUILD RUN <<EOF\nx\nEOF",
    "HEALTHCHECK --retries=2 CMD true",
    "EXPOSE 80 22/udp",
    'VOLUME ["/a"]',
    "RUN a `",
    "COPY --from=base a b c",
    "RUN --mount=type=secret,id=a --network=none b",
    "ADD --checksum=sha256:aa https://example.com/a.tgz /b/",
    'ENTRYPOINT [ "a" ] ',
    "RUN a \\ \nRUN b",
)
_CHARACTERS: Final = " \t\n\r\\`\"'$<>#=-[],{}:aE1\u00e9\u00a0"


def change(text: str, source: random.Random) -> str:
    """Return a text with a few random changes."""
    for _ in range(source.randint(1, 4)):
        at, end = sorted(source.randint(0, len(text)) for _ in range(2))
        match source.randint(0, 4):
            case 0:
                text = text[:at] + source.choice(_CHARACTERS) + text[at:]
            case 1:
                text = text[:at] + text[at + 1 :]
            case 2:
                text = text[:at] + text[min(end, at + 20) :]
            case 3:
                lines = text.split("\n")
                lines.insert(source.randint(0, len(lines)), source.choice(_LINES))
                text = "\n".join(lines)
            case _:
                text = text[:end] + text[at : min(end, at + 30)] + text[end:]
    return text


def generate(count: int, seed: int) -> Iterator[str]:
    """Yield random files: changed ones, and random lines."""
    source = random.Random(seed)
    for number in range(count):
        if number % 2:
            yield change(source.choice(FILES), source)
        else:
            yield "\n".join(["FROM a", *(source.choice(_LINES) for _ in range(source.randint(1, 12))), ""])
