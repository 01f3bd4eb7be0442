# A federation of clusters: a state folder for each member on this machine, admitted by the first, then manifests and Secrets in
# each cluster. Built-in resources only: no provider is downloaded. Needs the commands isthmus and kubectl.

variable "domain" {
  description = "Federation domain, such as acme.mesh."
  type        = string
}

variable "folder" {
  description = "Where the members' state folders are made. They hold keys: keep it, and keep it private."
  type        = string

  validation {
    condition     = startswith(var.folder, "/") && var.folder != "/"
    error_message = "folder must be an absolute path."
  }
}

variable "isthmus" {
  description = "The isthmus command."
  type        = string
  default     = "isthmus"
}

variable "members" {
  description = "The members, first the registrar. `sync` is the address where peers reach the controller; null: the node port of the gateway node. `deploy` false: state folder only."
  type = list(object({
    name            = string
    region          = string
    zone            = string
    pod_cidr        = string
    service_cidr    = string
    clusterset_cidr = string
    kubeconfig      = optional(string)
    sync            = optional(string)
    deploy          = optional(bool, true)
  }))

  validation {
    condition     = length(var.members) >= 1 && length(var.members) == length(distinct(var.members[*].name))
    error_message = "members must name at least one member, and none twice."
  }
  validation {
    condition     = alltrue([for member in var.members : member.kubeconfig != null || (member.sync != null && !member.deploy)])
    error_message = "each member needs kubeconfig; one with deploy = false needs sync instead."
  }
}

module "ranges" {
  source = "../disjoint-cidrs"
  cidrs = merge([for member in var.members : {
    "${member.name} pods"       = member.pod_cidr
    "${member.name} services"   = member.service_cidr
    "${member.name} clusterset" = member.clusterset_cidr
  }]...)
}

locals {
  table = join("\n", [for member in var.members : join(" ", [
    member.name, member.region, member.zone, module.ranges.cidrs["${member.name} pods"],
    module.ranges.cidrs["${member.name} clusterset"], coalesce(member.sync, "-"), coalesce(member.kubeconfig, "-"),
  ])])
}

# The folders go when the federation does; members that are added later leave the others' keys alone.
resource "terraform_data" "folders" {
  triggers_replace = [var.folder, var.domain]
  input            = { folder = var.folder, names = join(" ", var.members[*].name) }

  provisioner "local-exec" {
    when        = destroy
    command     = "cd \"$FOLDER\" && rm -rf -- $NAMES ledger"
    environment = { FOLDER = self.input.folder, NAMES = self.input.names }
  }
}

resource "terraform_data" "founded" {
  triggers_replace = [terraform_data.folders.id, local.table]

  provisioner "local-exec" {
    command = "${path.module}/found.sh"
    environment = {
      FOLDER    = var.folder
      MEMBERS   = local.table
      DOMAIN    = var.domain
      ISTHMUS   = var.isthmus
      NODE_PORT = 30743
    }
  }
}

resource "terraform_data" "deployed" {
  for_each         = { for member in var.members : member.name => member.kubeconfig if member.deploy }
  triggers_replace = [terraform_data.founded.id, each.value]

  provisioner "local-exec" {
    command = "${path.module}/deploy.sh"
    environment = {
      STATE           = "${var.folder}/${each.key}"
      KUBECONFIG_FILE = each.value
      DEPLOY          = abspath("${path.module}/../../../deploy")
      ISTHMUS         = var.isthmus
    }
  }
}

output "states" {
  description = "State folder of each member."
  value       = { for member in var.members : member.name => "${var.folder}/${member.name}" }
  depends_on  = [terraform_data.founded]
}
