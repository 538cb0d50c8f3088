from kubekeep.api import Assessment as Assessment
from kubekeep.api import Evidence as Evidence
from kubekeep.api import Finding as Finding
from kubekeep.api import FindingKind as FindingKind
from kubekeep.api import KubekeepError as KubekeepError
from kubekeep.api import Location as Location
from kubekeep.api import Resource as Resource
from kubekeep.api import Severity as Severity
from kubekeep.api import Status as Status
from kubekeep.api import render as render
from kubekeep.api import scan as scan
from kubekeep.api import scan_cluster as scan_cluster

__all__ = [
    "Assessment",
    "Evidence",
    "Finding",
    "FindingKind",
    "KubekeepError",
    "Location",
    "Resource",
    "Severity",
    "Status",
    "render",
    "scan",
    "scan_cluster",
]
