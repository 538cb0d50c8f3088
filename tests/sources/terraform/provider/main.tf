# What hashicorp/kubernetes 1.13.4 sends for these resources stands in requests.json, in this order.

resource "kubernetes_stateful_set" "db" {
  metadata {
    name      = "db"
    namespace = "shop"
  }
  spec {
    service_name          = "db"
    pod_management_policy = "Parallel"
    selector {
      match_labels = { app = "db" }
    }
    update_strategy {
      type = "RollingUpdate"
      rolling_update {
        partition = 1
      }
    }
    volume_claim_template {
      metadata {
        name = "data"
      }
      spec {
        access_modes = ["ReadWriteOnce"]
        resources {
          requests = { storage = "1Gi" }
        }
      }
    }
    template {
      metadata {
        labels = { app = "db" }
      }
      spec {
        host_network                     = true
        host_pid                         = true
        host_ipc                         = true
        automount_service_account_token  = true
        service_account_name             = "db"
        termination_grace_period_seconds = 5
        node_selector                    = { disk = "ssd" }
        security_context {
          run_as_user         = "1000"
          run_as_group        = 2000
          run_as_non_root     = true
          fs_group            = "3000"
          supplemental_groups = [1]
        }
        host_aliases {
          ip        = "10.0.0.1"
          hostnames = ["a"]
        }
        image_pull_secrets {
          name = "pull"
        }
        toleration {
          key                = "k"
          operator           = "Exists"
          effect             = "NoExecute"
          toleration_seconds = "30"
        }
        affinity {
          node_affinity {
            required_during_scheduling_ignored_during_execution {
              node_selector_term {
                match_expressions {
                  key      = "zone"
                  operator = "In"
                  values   = ["a"]
                }
              }
            }
          }
          pod_anti_affinity {
            required_during_scheduling_ignored_during_execution {
              topology_key = "host"
              label_selector {
                match_labels = { app = "db" }
              }
            }
            preferred_during_scheduling_ignored_during_execution {
              weight = 5
              pod_affinity_term {
                topology_key = "zone"
              }
            }
          }
        }
        init_container {
          name    = "init"
          image   = "busybox:1"
          command = ["true"]
        }
        container {
          name  = "db"
          image = "db:1"
          args  = ["--a"]
          env {
            name  = "N"
            value = 1
          }
          env {
            name = "S"
            value_from {
              secret_key_ref {
                name = "s"
                key  = "k"
              }
            }
          }
          env_from {
            prefix = "P_"
            config_map_ref {
              name = "c"
            }
          }
          port {
            container_port = 5432
            host_port      = "5432"
            name           = "db"
          }
          resources {
            # Blocks until 2.0, maps since.
            limits {
              cpu    = "1"
              memory = "1Gi"
            }
            requests {
              cpu = "100m"
            }
          }
          security_context {
            privileged                 = true
            allow_privilege_escalation = false
            read_only_root_filesystem  = "true"
            run_as_user                = 0
            capabilities {
              add  = ["NET_ADMIN"]
              drop = ["ALL"]
            }
          }
          lifecycle {
            pre_stop {
              exec {
                command = ["stop"]
              }
            }
          }
          liveness_probe {
            initial_delay_seconds = 3
            http_get {
              path = "/"
              port = "8080"
              http_header {
                name  = "X"
                value = "y"
              }
            }
          }
          readiness_probe {
            tcp_socket {
              port = "db"
            }
          }
          volume_mount {
            name       = "data"
            mount_path = "/data"
            sub_path   = "x"
            read_only  = true
          }
        }
        volume {
          name = "host"
          host_path {
            path = "/var/run/docker.sock"
            type = "Socket"
          }
        }
        volume {
          name = "conf"
          config_map {
            name         = "c"
            default_mode = "0400"
            items {
              key  = "a"
              path = "b"
              mode = "0600"
            }
          }
        }
        volume {
          name = "tmp"
          empty_dir {
            medium = "Memory"
          }
        }
        volume {
          name = "claim"
          persistent_volume_claim {
            claim_name = "c"
          }
        }
      }
    }
  }
}

resource "kubernetes_cron_job" "night" {
  metadata {
    name = "night"
  }
  spec {
    schedule           = "0 1 * * *"
    concurrency_policy = "Forbid"
    job_template {
      metadata {
        labels = { app = "night" }
      }
      spec {
        backoff_limit              = 2
        ttl_seconds_after_finished = 60
        template {
          metadata {
            labels = { app = "night" }
          }
          spec {
            restart_policy = "OnFailure"
            container {
              name  = "night"
              image = "night:1"
            }
          }
        }
      }
    }
  }
}

resource "kubernetes_network_policy" "deny" {
  metadata {
    name = "deny"
  }
  spec {
    policy_types = ["Egress", "Ingress"]
    pod_selector {
      match_labels = { app = "db" }
    }
    ingress {
      ports {
        port     = "5432"
        protocol = "TCP"
      }
      from {
        namespace_selector {
          match_labels = { team = "a" }
        }
        pod_selector {}
      }
      from {
        ip_block {
          cidr   = "10.0.0.0/8"
          except = ["10.1.0.0/16"]
        }
      }
    }
    egress {}
  }
}

resource "kubernetes_service" "web" {
  metadata {
    name        = "web"
    annotations = { a_b = "c" }
  }
  spec {
    selector                    = { app = "web" }
    type                        = "LoadBalancer"
    external_ips                = ["1.2.3.4"]
    load_balancer_source_ranges = ["10.0.0.0/8"]
    cluster_ip                  = "10.0.0.9"
    port {
      name        = "http"
      port        = 80
      target_port = "8080"
      node_port   = 30000
    }
    port {
      name        = "named"
      port        = 81
      target_port = "web"
    }
  }
}

resource "kubernetes_cluster_role" "all" {
  metadata {
    name = "all"
  }
  rule {
    api_groups     = [""]
    resources      = ["secrets"]
    resource_names = ["x"]
    verbs          = ["*"]
  }
  rule {
    non_resource_urls = ["/metrics"]
    verbs             = ["get"]
  }
}

resource "kubernetes_role_binding" "all" {
  metadata {
    name      = "all"
    namespace = "shop"
  }
  role_ref {
    api_group = "rbac.authorization.k8s.io"
    kind      = "ClusterRole"
    name      = "all"
  }
  subject {
    kind      = "ServiceAccount"
    name      = "db"
    namespace = "shop"
  }
  subject {
    kind      = "Group"
    name      = "system:masters"
    api_group = "rbac.authorization.k8s.io"
  }
}

resource "kubernetes_secret" "s" {
  metadata {
    name = "s"
  }
  type = "Opaque"
  data = { password = "hunter2" }
}

resource "kubernetes_persistent_volume" "pv" {
  metadata {
    name = "pv"
  }
  spec {
    access_modes       = ["ReadWriteMany"]
    capacity           = { storage = "2Gi" }
    storage_class_name = "slow"
    persistent_volume_source {
      nfs {
        path   = "/x"
        server = "nfs"
      }
    }
  }
}

resource "kubernetes_horizontal_pod_autoscaler" "web" {
  metadata {
    name = "web"
  }
  spec {
    max_replicas = 5
    scale_target_ref {
      kind = "Deployment"
      name = "web"
    }
    metric {
      type = "External"
      external {
        metric {
          name = "latency"
          selector {
            match_labels = { lb = "x" }
          }
        }
        target {
          type  = "Value"
          value = "100"
        }
      }
    }
  }
}

resource "kubernetes_limit_range" "l" {
  metadata {
    name = "l"
  }
  spec {
    limit {
      type    = "Container"
      default = { cpu = "50m" }
      max     = { memory = "1Gi" }
    }
  }
}

resource "kubernetes_pod_disruption_budget" "b" {
  metadata {
    name = "b"
  }
  spec {
    max_unavailable = "20%"
    selector {
      match_expressions {
        key      = "app"
        operator = "In"
        values   = ["db"]
      }
    }
  }
}

resource "kubernetes_validating_webhook_configuration" "w" {
  metadata {
    name = "w"
  }
  webhook {
    name                      = "w.example.com"
    admission_review_versions = ["v1"]
    timeout_seconds           = 5
    side_effects              = "None"
    client_config {
      ca_bundle = "bundle"
      service {
        namespace = "shop"
        name      = "w"
        port      = 8443
      }
    }
    rule {
      api_groups   = ["apps"]
      api_versions = ["v1"]
      operations   = ["CREATE"]
      resources    = ["deployments"]
    }
    namespace_selector {
      match_labels = { a = "b" }
    }
  }
}

resource "kubernetes_ingress" "i" {
  metadata {
    name = "i"
  }
  spec {
    tls {
      hosts       = ["a.example.com"]
      secret_name = "t"
    }
    rule {
      host = "a.example.com"
      http {
        path {
          path = "/x"
          backend {
            service_name = "web"
            service_port = "80"
          }
        }
      }
    }
  }
}

resource "kubernetes_storage_class" "c" {
  metadata {
    name = "c"
  }
  storage_provisioner = "example.com/disk"
  reclaim_policy      = "Retain"
  parameters          = { type = "fast" }
  mount_options       = ["ro"]
}

resource "kubernetes_service_account" "db" {
  metadata {
    name = "db"
  }
  automount_service_account_token = true
  image_pull_secret {
    name = "pull"
  }
  secret {
    name = "extra"
  }
}
