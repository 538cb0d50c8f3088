from kubekeep.api import render as render
from kubekeep.api import scan as scan
from kubekeep.api import scan_cluster as scan_cluster
from kubekeep.model.assessment import Assessment as Assessment
from kubekeep.model.definition import FindingKind as FindingKind
from kubekeep.model.errors import KubekeepError as KubekeepError
from kubekeep.model.finding import Finding as Finding
from kubekeep.model.location import Location as Location
from kubekeep.model.priority import Priority as Priority
from kubekeep.model.resource import Resource as Resource
from kubekeep.model.severity import Severity as Severity
from kubekeep.model.verdict import Evidence as Evidence
from kubekeep.model.verdict import Status as Status
from kubekeep.usecases.server import Server as Server
from kubekeep.vulnerabilities.options import VulnerabilityOptions as VulnerabilityOptions

__all__ = [
    "Assessment",
    "Evidence",
    "Finding",
    "FindingKind",
    "KubekeepError",
    "Location",
    "Priority",
    "Resource",
    "Server",
    "Severity",
    "Status",
    "VulnerabilityOptions",
    "render",
    "scan",
    "scan_cluster",
]
