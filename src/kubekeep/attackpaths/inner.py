"""What only an inner network reaches: load balancers and routes by what their annotations and classes say."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from kubekeep.attackpaths.objects import Item
from kubekeep.model.json_values import as_list, as_mapping

_BALANCERS: Final[Mapping[str, frozenset[str]]] = {
    "cloud.google.com/load-balancer-type": frozenset({"internal"}),
    "networking.gke.io/load-balancer-type": frozenset({"internal"}),
    "service.beta.kubernetes.io/aws-load-balancer-internal": frozenset({"true", "0.0.0.0/0"}),
    "service.beta.kubernetes.io/aws-load-balancer-scheme": frozenset({"internal"}),
    "service.beta.kubernetes.io/azure-load-balancer-internal": frozenset({"true"}),
    "service.beta.kubernetes.io/oci-load-balancer-internal": frozenset({"true"}),
    "service.beta.kubernetes.io/openstack-internal-load-balancer": frozenset({"true"}),
}
"""Annotations, with their values, by which a cloud gives a Service an address of the inner network only."""
_AWS: Final = "service.beta.kubernetes.io/aws-load-balancer-"
_AWS_CLASS: Final = "service.k8s.aws/nlb"
_RANGES: Final = "service.beta.kubernetes.io/load-balancer-source-ranges"
"""What came before the field `loadBalancerSourceRanges`, and counts where that is empty."""
_ISTIO_SERVICE: Final = "networking.istio.io/service-type"
"""By which type of Service Istio gives a Gateway its address."""
_CLASS: Final = "kubernetes.io/ingress.class"
_ALB_SCHEME: Final = "alb.ingress.kubernetes.io/scheme"
_CLASSES: Final = ("internal", "private", "rilb")
"""What names of classes say whose addresses are of the inner network."""


def is_inner_class(name: str) -> bool:
    """Whether a class of load balancers, Ingresses or Gateways is for the inner network, by its name."""
    return any(word in name.lower() for word in _CLASSES)


def is_inner_balancer(service: Item) -> bool:
    """Whether a Service of type LoadBalancer gets an address of the inner network only."""
    said = service.annotations
    if _says_inner(said):
        return True
    balancer = str(service.spec.get("loadBalancerClass") or "")
    if balancer == _AWS_CLASS or said.get(f"{_AWS}type") == "external":
        # The controller of AWS makes inner load balancers unless it is told otherwise.
        return said.get(f"{_AWS}scheme") != "internet-facing" and str(said.get(f"{_AWS}internal")).lower() != "false"
    return is_inner_class(balancer)


def is_inner_gateway(gateway: Item) -> bool:
    """Whether the class of a Gateway is for the inner network, or its load balancer is told to be."""
    said = as_mapping(as_mapping(gateway.spec.get("infrastructure")).get("annotations"))
    if is_inner_class(str(gateway.spec.get("gatewayClassName"))) or _says_inner(said):
        return True
    return gateway.annotations.get(_ISTIO_SERVICE, said.get(_ISTIO_SERVICE)) == "ClusterIP"


def _says_inner(annotations: Mapping[str, Any]) -> bool:
    return any(str(annotations.get(key)).lower() in values for key, values in _BALANCERS.items() if key in annotations)


def is_inner_ingress(ingress: Item) -> bool:
    """Whether the class of an Ingress, or what its annotations say to the controller of AWS, is for the inner network."""
    name = str(ingress.spec.get("ingressClassName") or ingress.annotations.get(_CLASS) or "")
    scheme = ingress.annotations.get(_ALB_SCHEME)
    return is_inner_class(name) or scheme == "internal" or (name == "alb" and scheme != "internet-facing")


def source_ranges(service: Item) -> list[str]:
    """The networks from which alone a load balancer takes traffic; none where it takes all."""
    listed = [str(item) for item in as_list(service.spec.get("loadBalancerSourceRanges"))]
    return listed or [text for item in str(service.annotations.get(_RANGES) or "").split(",") if (text := item.strip())]


def reaches_public(cidr: str) -> bool:
    """Whether a network holds addresses that are not private; text that is no network does not."""
    try:
        return not ipaddress.ip_network(cidr, strict=False).is_private
    except ValueError:
        return False
