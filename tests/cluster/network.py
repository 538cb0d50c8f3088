"""Addresses of clusters. No I/O."""

from __future__ import annotations

import ipaddress
from typing import Final

import msgspec


class Network(msgspec.Struct, frozen=True):
    """Addresses of a control plane: `host` is where the API server listens, `services` the range of Services."""

    host: str
    services: str

    @property
    def api_service(self) -> str:
        """Address of the Service `kubernetes`."""
        return str(ipaddress.ip_network(self.services)[1])


LOOPBACK: Final = "127.0.0.1"
LOCAL: Final = Network(LOOPBACK, "10.0.0.0/24")
"""Addresses of a control plane without a node: none of its Services is reachable."""


class NodeNetwork(Network, frozen=True):
    """Addresses of a control plane with a node: `host` and `node` are the ends of the link between machine and node."""

    node: str
    pods: str
    prefix_length: int

    @property
    def dns_service(self) -> str:
        return str(ipaddress.ip_network(self.services)[10])

    @classmethod
    def of_slot(cls, number: int) -> NodeNetwork:
        """Return the addresses of the node in a slot, from the range for benchmarks of networks (RFC 2544)."""
        third = 4 * number
        return cls(
            host=f"198.18.{third}.1",
            node=f"198.18.{third}.2",
            prefix_length=30,
            pods=f"198.18.{third + 1}.0/24",
            services=f"198.18.{third + 2}.0/24",
        )
