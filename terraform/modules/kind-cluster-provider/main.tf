# The same cluster as modules/kind-cluster by the provider tehcyx/kind in place of the command `kind`.

terraform {
  required_providers {
    kind = {
      source  = "tehcyx/kind"
      version = "~> 0.9"
    }
  }
}

variable "kubeconfig" {
  description = "Where the cluster's kubeconfig is written."
  type        = string
}

module "ranges" {
  source = "../disjoint-cidrs"
  cidrs  = { pods = var.pod_cidr, services = var.service_cidr }
}

resource "kind_cluster" "cluster" {
  name            = var.name
  node_image      = var.node_image
  wait_for_ready  = true
  kubeconfig_path = var.kubeconfig

  kind_config {
    kind        = "Cluster"
    api_version = "kind.x-k8s.io/v1alpha4"

    networking {
      pod_subnet     = module.ranges.cidrs["pods"]
      service_subnet = module.ranges.cidrs["services"]
    }

    node {
      role = "control-plane"
      labels = {
        "topology.kubernetes.io/region" = var.region
        "topology.kubernetes.io/zone"   = var.zones[0]
      }
    }

    dynamic "node" {
      for_each = var.zones
      content {
        role = "worker"
        labels = merge(
          { "topology.kubernetes.io/region" = var.region, "topology.kubernetes.io/zone" = node.value },
          node.key == 0 ? { "isthmus.dev/gateway" = "true" } : {},
        )
      }
    }
  }
}

output "kubeconfig" {
  description = "The cluster's kubeconfig, when the cluster is there."
  value       = kind_cluster.cluster.kubeconfig_path
}
