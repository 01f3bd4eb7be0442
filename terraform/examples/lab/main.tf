# The lab by Terraform: `terraform init && terraform apply` raises three regions, `terraform destroy` takes them down.
# Built-in resources only: no provider is downloaded. Needs root, as `isthmus lab up` does.

variable "isthmus" {
  description = "The isthmus command; null: that of this checkout."
  type        = string
  default     = null
}

variable "folder" {
  description = "Folder of the lab's state."
  type        = string
  default     = "/run/isthmus-lab"
}

variable "rtt_ms" {
  description = "Round trip between all members in milliseconds; null: 60, 90 and 140."
  type        = number
  default     = null
}

locals {
  isthmus = coalesce(var.isthmus, abspath("${path.module}/../../../.venv/bin/isthmus"))
}

module "us_east" {
  source  = "../../modules/lab-cluster"
  name    = "us-east"
  raises  = true
  folder  = var.folder
  isthmus = local.isthmus
  rtt_ms  = var.rtt_ms
}

module "others" {
  source   = "../../modules/lab-cluster"
  for_each = toset(["us-west", "eu-central"])
  name     = each.key
  folder   = var.folder
  isthmus  = local.isthmus
  lab      = module.us_east.lab
}

output "apis" {
  description = "Socket of each member's controller, for `isthmus status --api`."
  value       = merge({ "us-east" = module.us_east.api }, { for name, member in module.others : name => member.api })
}
