# A Kubernetes cluster in Docker by the commands `kind` and `docker`. Built-in resources only: no provider is downloaded.

variable "kubeconfig" {
  description = "Where the cluster's kubeconfig is written."
  type        = string
}

variable "images" {
  description = "Images of this machine's Docker that the nodes shall have."
  type        = list(string)
  default     = []
}

module "ranges" {
  source = "../disjoint-cidrs"
  cidrs  = { pods = var.pod_cidr, services = var.service_cidr }
}

locals {
  config = yamlencode({
    kind       = "Cluster"
    apiVersion = "kind.x-k8s.io/v1alpha4"
    networking = { podSubnet = module.ranges.cidrs["pods"], serviceSubnet = module.ranges.cidrs["services"] }
    nodes = concat(
      [{ role = "control-plane", labels = { "topology.kubernetes.io/region" = var.region, "topology.kubernetes.io/zone" = var.zones[0] } }],
      [for index, zone in var.zones : {
        role = "worker"
        labels = merge(
          { "topology.kubernetes.io/region" = var.region, "topology.kubernetes.io/zone" = zone },
          index == 0 ? { "isthmus.dev/gateway" = "true" } : {},
        )
      }],
    )
  })
}

resource "terraform_data" "cluster" {
  triggers_replace = [var.name, local.config, var.node_image]
  input            = { name = var.name, kubeconfig = var.kubeconfig }

  provisioner "local-exec" {
    command = "printf '%s' \"$CONFIG\" | kind create cluster --name \"$NAME\" --kubeconfig \"$KUBECONFIG_FILE\" --config - --wait 180s $IMAGE"
    environment = {
      CONFIG          = local.config
      NAME            = self.input.name
      KUBECONFIG_FILE = self.input.kubeconfig
      IMAGE           = var.node_image == null ? "" : "--image ${var.node_image}"
    }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "kind delete cluster --name \"$NAME\" --kubeconfig \"$KUBECONFIG_FILE\""
    environment = { NAME = self.input.name, KUBECONFIG_FILE = self.input.kubeconfig }
  }
}

resource "terraform_data" "images" {
  count            = length(var.images) == 0 ? 0 : 1
  triggers_replace = [terraform_data.cluster.id, var.images]

  provisioner "local-exec" {
    command     = "kind load docker-image --name \"$NAME\" $IMAGES"
    environment = { NAME = var.name, IMAGES = join(" ", var.images) }
  }
}

output "config" {
  description = "The configuration that kind is given (YAML)."
  value       = local.config
}

output "kubeconfig" {
  description = "The cluster's kubeconfig, when the cluster and its images are there."
  value       = terraform_data.cluster.output.kubeconfig
  depends_on  = [terraform_data.images]
}
