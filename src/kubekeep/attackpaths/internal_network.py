"""Load balancers, Ingresses and Gateways of internal networks, detected by annotations and classes. Queries no cloud."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from kubekeep.attackpaths.objects import PlacedResource
from kubekeep.model.json_values import as_list, as_mapping

_INTERNAL_ANNOTATIONS: Final[Mapping[str, frozenset[str]]] = {
    "cloud.google.com/load-balancer-type": frozenset({"internal"}),
    "networking.gke.io/load-balancer-type": frozenset({"internal"}),
    "service.beta.kubernetes.io/aws-load-balancer-internal": frozenset({"true", "0.0.0.0/0"}),
    "service.beta.kubernetes.io/aws-load-balancer-scheme": frozenset({"internal"}),
    "service.beta.kubernetes.io/azure-load-balancer-internal": frozenset({"true"}),
    "service.beta.kubernetes.io/oci-load-balancer-internal": frozenset({"true"}),
    "service.beta.kubernetes.io/openstack-internal-load-balancer": frozenset({"true"}),
}
"""Annotations, with their values, that restrict the address of a Service to the internal network of the cloud."""
_AWS: Final = "service.beta.kubernetes.io/aws-load-balancer-"
_AWS_CLASS: Final = "service.k8s.aws/nlb"
_RANGES_ANNOTATION: Final = "service.beta.kubernetes.io/load-balancer-source-ranges"
"""The predecessor of the field `loadBalancerSourceRanges`; counts if the field is empty."""
_ISTIO_SERVICE: Final = "networking.istio.io/service-type"
"""The type of the Service by which Istio exposes a Gateway."""
_CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
_ALB_SCHEME: Final = "alb.ingress.kubernetes.io/scheme"
_INTERNAL_WORDS: Final = ("internal", "private", "rilb")
"""Words in class names that indicate the internal network."""


def is_internal_class(name: str) -> bool:
    """Return True if the name of a class of load balancers, Ingresses or Gateways indicates the internal network."""
    return any(word in name.lower() for word in _INTERNAL_WORDS)


def is_internal_balancer(service: PlacedResource) -> bool:
    """Return True if a Service of type LoadBalancer gets an address of the internal network only."""
    annotations = service.annotations
    if _has_internal_annotation(annotations):
        return True
    balancer = str(service.spec.get("loadBalancerClass") or "")
    if balancer == _AWS_CLASS or annotations.get(f"{_AWS}type") == "external":
        # The AWS Load Balancer Controller creates internal load balancers by default.
        is_public = annotations.get(f"{_AWS}scheme") == "internet-facing"
        return not is_public and str(annotations.get(f"{_AWS}internal")).lower() != "false"
    return is_internal_class(balancer)


def is_internal_gateway(gateway: PlacedResource) -> bool:
    """Return True if the class of a Gateway or its annotations select the internal network."""
    annotations = as_mapping(as_mapping(gateway.spec.get("infrastructure")).get("annotations"))
    if is_internal_class(str(gateway.spec.get("gatewayClassName"))) or _has_internal_annotation(annotations):
        return True
    return gateway.annotations.get(_ISTIO_SERVICE, annotations.get(_ISTIO_SERVICE)) == "ClusterIP"


def _has_internal_annotation(annotations: Mapping[str, Any]) -> bool:
    return any(
        str(annotations.get(key)).lower() in values
        for key, values in _INTERNAL_ANNOTATIONS.items()
        if key in annotations
    )


def is_internal_ingress(ingress: PlacedResource) -> bool:
    """Return True if the class of an Ingress, or its annotations for the AWS controller, select the internal network."""
    name = str(ingress.spec.get("ingressClassName") or ingress.annotations.get(_CLASS_ANNOTATION) or "")
    scheme = ingress.annotations.get(_ALB_SCHEME)
    return is_internal_class(name) or scheme == "internal" or (name == "alb" and scheme != "internet-facing")


def list_source_ranges(service: PlacedResource) -> list[str]:
    """Return the networks (CIDR) from which a load balancer accepts traffic; empty if it accepts all."""
    ranges = [str(cidr) for cidr in as_list(service.spec.get("loadBalancerSourceRanges"))]
    return ranges or [
        cidr for part in str(service.annotations.get(_RANGES_ANNOTATION) or "").split(",") if (cidr := part.strip())
    ]


def has_public_addresses(cidr: str) -> bool:
    """Return True if a network has public addresses; False for invalid text."""
    try:
        return not ipaddress.ip_network(cidr, strict=False).is_private
    except ValueError:
        return False
