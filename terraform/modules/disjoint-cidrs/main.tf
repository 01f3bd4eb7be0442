# Refuses IPv4 ranges of which two share an address. No resources.

variable "cidrs" {
  description = "IPv4 ranges by name."
  type        = map(string)

  validation {
    condition     = alltrue([for cidr in values(var.cidrs) : can(cidrnetmask(cidr)) && try(cidrsubnet(cidr, 0, 0) == cidr, false)])
    error_message = "each must be an IPv4 range without host bits, such as 10.1.0.0/16."
  }
}

locals {
  bounds = { for name, cidr in var.cidrs : name => {
    first = sum([for place, part in split(".", split("/", cidr)[0]) : tonumber(part) * pow(256, 3 - place)])
    size  = pow(2, 32 - tonumber(split("/", cidr)[1]))
  } }
  overlaps = flatten([for one, a in local.bounds : [
    for other, b in local.bounds : "${one} (${var.cidrs[one]}) and ${other} (${var.cidrs[other]})"
    if index(keys(local.bounds), one) < index(keys(local.bounds), other) && a.first < b.first + b.size && b.first < a.first + a.size
  ]])
}

output "cidrs" {
  description = "The ranges, when no two of them overlap."
  value       = var.cidrs

  precondition {
    condition     = length(local.overlaps) == 0
    error_message = "these ranges overlap: ${join("; ", local.overlaps)}. Give each its own."
  }
}
