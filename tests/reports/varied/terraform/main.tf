variable "tag" {}
variable "privileged" {}

resource "kubernetes_deployment_v1" "queue" {
  metadata {
    name      = "queue"
    namespace = "shop"
  }
  spec {
    selector {
      match_labels = { app = "queue" }
    }
    template {
      metadata {
        labels = { app = "queue" }
      }
      spec {
        container {
          name  = "queue"
          image = "queue:${var.tag}"
          security_context {
            privileged = var.privileged
          }
        }
      }
    }
  }
}
