# The lab by Terraform: `terraform init && terraform apply` raises it, `terraform destroy` takes it down.
# Built-in resources only: no provider is downloaded. Needs root, as `isthmus lab up` does.

variable "isthmus" {
  description = "The isthmus command."
  type        = string
  default     = "../../../.venv/bin/isthmus"
}

variable "folder" {
  description = "Folder of the lab's state."
  type        = string
  default     = "/run/isthmus-lab"
}

variable "rtt_ms" {
  description = "Round trip between the members, in milliseconds."
  type        = number
  default     = 90

  validation {
    condition     = var.rtt_ms >= 0 && var.rtt_ms <= 2000
    error_message = "rtt_ms must be 0 to 2000."
  }
}

resource "terraform_data" "lab" {
  input = {
    isthmus = var.isthmus
    folder  = var.folder
  }

  provisioner "local-exec" {
    command = "${self.input.isthmus} lab up --dir ${self.input.folder} --rtt ${var.rtt_ms}"
  }

  provisioner "local-exec" {
    when    = destroy
    command = "${self.input.isthmus} lab down --dir ${self.input.folder}"
  }
}

output "folder" {
  description = "Where the lab keeps its state; set ISTHMUS_LAB_DIR to it for `isthmus status`."
  value       = terraform_data.lab.output.folder
}
