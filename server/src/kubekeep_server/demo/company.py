"""The company of the demo: an online shop with its services, repositories and clusters. Values only."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple


class Cluster(enum.StrEnum):
    """The clusters by name. prod-eu improves over the year, prod-us decays, staging stops reporting."""

    EUROPE = "prod-eu"
    AMERICA = "prod-us"
    STAGING = "staging"


CLUSTER_UIDS: Final = {
    Cluster.EUROPE: "5f0c7a1e-3d92-4b06-9c1f-27ae8d604b13",
    Cluster.AMERICA: "c81d2e4a-6b75-4f3e-8a90-1e5f7703d9c2",
    Cluster.STAGING: "09b6f3d7-82c4-45aa-b7e1-d04c96a2518e",
}
OWNER: Final = "github.com/shop"
REGISTRY: Final = "ghcr.io"
JAVA: Final = "java"
_PLATFORM: Final = "platform"
_DATA: Final = "data-platform"


class Service(NamedTuple):
    """A workload in each cluster. stack: the packages of its image beside those of its base image.

    is_exposed: True if the internet reaches it. repository: name of the repository with its manifests. image: of another
    publisher, if it is not built by the company.
    """

    namespace: str
    name: str
    stack: str
    kind: str = "Deployment"
    is_exposed: bool = False
    repository: str = ""
    image: str = ""

    @property
    def repository_name(self) -> str:
        """The name of its repository."""
        return self.repository or self.name

    @property
    def owner(self) -> str:
        """The team that runs it."""
        return "platform team" if self.repository in {_PLATFORM, _DATA} else f"{self.namespace} team"

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the workload."""
        return {"app.kubernetes.io/name": self.name, "app.kubernetes.io/part-of": self.namespace}


_OWN: Final = (
    Service("storefront", "storefront-web", "node", is_exposed=True),
    Service("storefront", "storefront-api", JAVA, is_exposed=True),
    Service("storefront", "content-api", "node"),
    Service("storefront", "image-resizer", "python"),
    Service("catalogue", "catalogue-api", JAVA),
    Service("catalogue", "catalogue-indexer", JAVA, "CronJob"),
    Service("catalogue", "price-engine", "go"),
    Service("catalogue", "promotions", "python"),
    Service("catalogue", "reviews", "ruby"),
    Service("search", "search-api", JAVA, is_exposed=True),
    Service("search", "search-indexer", "python"),
    Service("search", "suggestions", "go"),
    Service("checkout", "cart", "go"),
    Service("checkout", "checkout-api", JAVA, is_exposed=True),
    Service("checkout", "tax-calculator", "go"),
    Service("checkout", "vouchers", JAVA),
    Service("payments", "payments-api", JAVA, is_exposed=True),
    Service("payments", "payments-worker", JAVA),
    Service("payments", "card-vault", "go"),
    Service("payments", "fraud-scoring", "python"),
    Service("payments", "payment-webhooks", "node", is_exposed=True),
    Service("payments", "refunds", JAVA),
    Service("ledger", "ledger-api", JAVA, repository="ledger"),
    Service("ledger", "settlement", JAVA, "CronJob", repository="ledger"),
    Service("ledger", "reconciliation", "python", "CronJob", repository="ledger"),
    Service("ledger", "invoices", JAVA, repository="ledger"),
    Service("orders", "orders-api", JAVA),
    Service("orders", "order-events", JAVA),
    Service("orders", "returns", JAVA),
    Service("orders", "order-export", "python", "CronJob"),
    Service("fulfilment", "warehouse-api", JAVA, repository="warehouse"),
    Service("fulfilment", "picking", "go", repository="warehouse"),
    Service("fulfilment", "stock-sync", JAVA, repository="warehouse"),
    Service("fulfilment", "labels", "python", repository="warehouse"),
    Service("fulfilment", "carrier-gateway", "node"),
    Service("fulfilment", "tracking", "go", is_exposed=True),
    Service("identity", "accounts-api", JAVA),
    Service("identity", "login", "node", is_exposed=True),
    Service("identity", "sessions", "go"),
    Service("identity", "consent", "ruby"),
    Service("notifications", "mail-sender", "python", repository="notifications"),
    Service("notifications", "push", "go", repository="notifications"),
    Service("notifications", "message-templates", "node", repository="notifications"),
    Service("notifications", "sms-gateway", JAVA, repository="notifications"),
    Service("reporting", "reports-api", "python"),
    Service("reporting", "dashboards", "node"),
    Service("reporting", "exports", JAVA, "CronJob", repository="reports-api"),
    Service("reporting", "data-loader", "python", "CronJob", repository="reports-api"),
    Service("support", "helpdesk", "ruby", is_exposed=True, repository="support"),
    Service("support", "chat", "node", repository="support"),
    Service("support", "knowledge-base", "ruby", repository="support"),
    Service("support", "live-status", "go", repository="support"),
)
_OTHERS: Final = (
    Service("data", "postgresql", "postgresql", "StatefulSet", repository=_DATA, image="docker.io/bitnami/postgresql"),
    Service("data", "redis", "redis", "StatefulSet", repository=_DATA, image="docker.io/bitnami/redis"),
    Service("data", "rabbitmq", "rabbitmq", "StatefulSet", repository=_DATA, image="docker.io/bitnami/rabbitmq"),
    Service("data", "kafka", "kafka", "StatefulSet", repository=_DATA, image="docker.io/bitnami/kafka"),
    Service("data", "minio", "minio", "StatefulSet", repository=_DATA, image="docker.io/bitnami/minio"),
    Service("data", "mongodb", "mongodb", "StatefulSet", repository=_DATA, image="docker.io/bitnami/mongodb"),
    Service("search", "elasticsearch", "elasticsearch", "StatefulSet", False, _DATA, "docker.io/bitnami/elasticsearch"),
    Service("support", "solr", "solr", "StatefulSet", repository=_DATA, image="docker.io/bitnami/solr"),
    Service("support", "mariadb", "mariadb", "StatefulSet", repository=_DATA, image="docker.io/bitnami/mariadb"),
    Service("reporting", "airflow", "airflow", repository=_DATA, image="docker.io/bitnami/airflow"),
    Service("identity", "keycloak", "keycloak", "Deployment", True, _PLATFORM, "docker.io/bitnami/keycloak"),
    Service("platform", "gateway", "nginx", "Deployment", True, _PLATFORM, "docker.io/bitnami/nginx"),
    Service("platform", "envoy", "envoy", repository=_PLATFORM, image="docker.io/bitnami/envoy"),
    Service("platform", "argo-cd", "argo-cd", repository=_PLATFORM, image="docker.io/bitnami/argo-cd"),
    Service("platform", "gitea", "gitea", repository=_PLATFORM, image="docker.io/bitnami/gitea"),
    Service("platform", "build-agent", "testing", repository=_PLATFORM),
    Service("observability", "grafana", "grafana", repository=_PLATFORM, image="docker.io/bitnami/grafana"),
    Service(
        "observability", "prometheus", "prometheus", "StatefulSet", False, _PLATFORM, "docker.io/bitnami/prometheus"
    ),
    Service("observability", "log-collector", "go", "DaemonSet", repository=_PLATFORM),
)
SERVICES: Final = (*_OWN, *_OTHERS)
REPOSITORIES: Final = tuple(sorted({service.repository_name for service in SERVICES}))
GATED_REPOSITORY: Final = "payments-api"
"""The repository whose pull requests are checked."""
ENTRY_POINT: Final = "search-api"
"""The service that is exposed, runs a vulnerable version and can read Secrets, in prod-us."""
