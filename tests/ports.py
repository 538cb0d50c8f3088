"""Ports of programs that neither choose a free one nor take over a socket, and the start of such programs. Holds no port."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from tests.cluster.network import LOOPBACK

T = TypeVar("T")
_PORTS: Final = range(20000, 32768)
"""Ports below the ephemeral range, so that no connection takes one between selection and use."""
_TRIES: Final = 10
"""Attempts to start a program."""
_IN_USE: Final = "address already in use"


class PortTakenError(RuntimeError):
    """Another program took the port after its selection; the message is the end of the log."""


def select_port(host: str = LOOPBACK) -> int:
    """Return a free port of an address of this machine, by default of the loopback address."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        with socket.socket() as listener:
            try:
                listener.bind((host, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port of {host} is free")


def check_port(log: str) -> None:
    """Check the log of a program that ended at its start. Raises PortTakenError if it names the port as the cause."""
    if _IN_USE in log.lower():
        raise PortTakenError(log)


def start_on_free_port(start: Callable[[int], T], host: str = LOOPBACK) -> T:
    """Return the result of `start`, which gets a free port; it is called again with another one after PortTakenError."""
    for _ in range(_TRIES - 1):
        try:
            return start(select_port(host))
        except PortTakenError:
            continue
    return start(select_port(host))


@contextlib.contextmanager
def run_on_free_port(run: Callable[[int], contextlib.AbstractContextManager[T]], host: str = LOOPBACK) -> Iterator[T]:
    """Run a program until the end of the block. run: gets the port; see `start_on_free_port`."""
    with contextlib.ExitStack() as stack:
        yield start_on_free_port(lambda port: stack.enter_context(run(port)), host)
