# One member of the lab. The lab is raised and taken down whole, so the member with `raises` does that for all; the others wait for it
# and check that they answer. Built-in resources only: no provider is downloaded. Needs root, as `isthmus lab up` does.

variable "name" {
  description = "The member; its region has the same name."
  type        = string

  validation {
    condition     = contains(["us-east", "us-west", "eu-central"], var.name)
    error_message = "name must be us-east, us-west or eu-central: the lab has these members."
  }
}

variable "folder" {
  description = "Folder of the lab's state."
  type        = string

  validation {
    condition     = startswith(var.folder, "/")
    error_message = "folder must be an absolute path."
  }
}

variable "raises" {
  description = "Whether this member raises the lab and takes it down; exactly one does."
  type        = bool
  default     = false
}

variable "lab" {
  description = "Output `lab` of the member that raises the lab."
  type        = string
  default     = ""

  validation {
    condition     = var.raises == (var.lab == "")
    error_message = "give either raises = true or the output `lab` of the member that raises the lab."
  }
}

variable "isthmus" {
  description = "The isthmus command."
  type        = string
  default     = "isthmus"
}

variable "rtt_ms" {
  description = "Round trip between all members in milliseconds; null: 60, 90 and 140. Of the member that raises the lab."
  type        = number
  default     = null

  validation {
    condition     = var.rtt_ms == null || try(var.rtt_ms >= 0 && var.rtt_ms <= 10000, false)
    error_message = "rtt_ms must be 0 to 10000."
  }
}

resource "terraform_data" "lab" {
  count            = var.raises ? 1 : 0
  triggers_replace = [var.folder, var.rtt_ms]
  input            = { isthmus = var.isthmus, folder = var.folder }

  provisioner "local-exec" {
    command = "\"$ISTHMUS\" lab up --dir \"$FOLDER\" $RTT"
    environment = {
      ISTHMUS = self.input.isthmus
      FOLDER  = self.input.folder
      RTT     = var.rtt_ms == null ? "" : "--rtt ${var.rtt_ms}"
    }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "\"$ISTHMUS\" lab down --dir \"$FOLDER\""
    environment = { ISTHMUS = self.input.isthmus, FOLDER = self.input.folder }
  }
}

locals {
  lab = var.raises ? terraform_data.lab[0].id : var.lab
  api = "${var.folder}/${var.name}/state/api.sock"
}

resource "terraform_data" "member" {
  triggers_replace = [local.lab]
  input            = local.api

  provisioner "local-exec" {
    command     = "\"$ISTHMUS\" status --api \"$API\""
    environment = { ISTHMUS = var.isthmus, API = self.input }
  }
}

output "lab" {
  description = "For `lab` of the other members."
  value       = local.lab
}

output "api" {
  description = "Socket of the member's controller, for `isthmus status --api`."
  value       = terraform_data.member.output
}
