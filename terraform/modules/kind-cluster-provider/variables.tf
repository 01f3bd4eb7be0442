variable "name" {
  description = "Name of the kind cluster and of the member."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$", var.name))
    error_message = "name must be a DNS label of at most 50 characters."
  }
}

variable "region" {
  description = "Label topology.kubernetes.io/region of every node."
  type        = string
}

variable "zones" {
  description = "One worker node for each, with label topology.kubernetes.io/zone; the first also carries the gateway."
  type        = list(string)

  validation {
    condition     = length(var.zones) >= 1 && length(var.zones) == length(distinct(var.zones))
    error_message = "zones must name at least one zone, and none twice."
  }
}

variable "pod_cidr" {
  description = "Range of the pods; unique in the federation."
  type        = string
}

variable "service_cidr" {
  description = "Range of the ClusterIPs."
  type        = string
}

variable "node_image" {
  description = "Image of the nodes; null: kind's own."
  type        = string
  default     = null
}
