# Three regions on this machine by one `terraform init && terraform apply`: needs Docker, kind, kubectl, and the images of
# deploy/Dockerfile. `terraform destroy` takes all of it down. Built-in resources only: no provider is downloaded.

variable "isthmus" {
  description = "The isthmus command; null: that of this checkout."
  type        = string
  default     = null
}

variable "folder" {
  description = "Where state folders and kubeconfigs are kept; null: .federation beside this file."
  type        = string
  default     = null
}

variable "node_image" {
  description = "Image of the nodes; null: kind's own."
  type        = string
  default     = null
}

locals {
  folder  = coalesce(var.folder, abspath("${path.module}/.federation"))
  isthmus = coalesce(var.isthmus, abspath("${path.module}/../../../.venv/bin/isthmus"))
  regions = {
    us-east    = { number = 1, zones = ["us-east-a", "us-east-b"] }
    us-west    = { number = 2, zones = ["us-west-a"] }
    eu-central = { number = 3, zones = ["eu-central-a"] }
  }
}

module "cluster" {
  source       = "../../modules/kind-cluster"
  for_each     = local.regions
  name         = each.key
  region       = each.key
  zones        = each.value.zones
  pod_cidr     = "10.${each.value.number}.0.0/16"
  service_cidr = "10.96.${each.value.number}.0/24"
  kubeconfig   = "${local.folder}/${each.key}.kubeconfig"
  node_image   = var.node_image
  images       = ["isthmus:0.1.0", "isthmus-gateway:0.1.0"]
}

module "federation" {
  source  = "../../modules/federation"
  domain  = "acme.mesh"
  folder  = local.folder
  isthmus = local.isthmus
  members = [for name in ["us-east", "us-west", "eu-central"] : {
    name            = name
    region          = name
    zone            = local.regions[name].zones[0]
    pod_cidr        = "10.${local.regions[name].number}.0.0/16"
    service_cidr    = "10.96.${local.regions[name].number}.0/24"
    clusterset_cidr = "10.100.${local.regions[name].number}.0/24"
    kubeconfig      = module.cluster[name].kubeconfig
  }]
}

output "kubeconfigs" {
  description = "Of each cluster."
  value       = { for name, cluster in module.cluster : name => cluster.kubeconfig }
}

output "states" {
  description = "State folder of each member."
  value       = module.federation.states
}
