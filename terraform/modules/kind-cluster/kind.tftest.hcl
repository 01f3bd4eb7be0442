variables {
  name         = "us-east"
  region       = "us-east"
  zones        = ["us-east-a", "us-east-b"]
  pod_cidr     = "10.1.0.0/16"
  service_cidr = "10.96.1.0/24"
  kubeconfig   = "/tmp/kubeconfig"
}

run "nodes_say_where_they_are" {
  command = plan

  assert {
    condition     = [for node in yamldecode(output.config).nodes : node.role] == ["control-plane", "worker", "worker"]
    error_message = "one worker a zone"
  }
  assert {
    condition = [for node in yamldecode(output.config).nodes : node.labels["topology.kubernetes.io/zone"]] == [
      "us-east-a", "us-east-a", "us-east-b"
    ]
    error_message = "every node has its zone"
  }
  assert {
    condition     = length([for node in yamldecode(output.config).nodes : node if lookup(node.labels, "isthmus.dev/gateway", "") == "true"]) == 1
    error_message = "one node carries the gateway"
  }
  assert {
    condition     = yamldecode(output.config).networking == { podSubnet = "10.1.0.0/16", serviceSubnet = "10.96.1.0/24" }
    error_message = "the ranges are those of the variables"
  }
}

run "a_zone_twice" {
  command = plan
  variables { zones = ["a", "a"] }
  expect_failures = [var.zones]
}

run "a_name_that_is_no_label" {
  command = plan
  variables { name = "US_East" }
  expect_failures = [var.name]
}
