variables {
  domain = "acme.mesh"
  folder = "/tmp/federation"
  members = [
    { name = "a", region = "ra", zone = "a1", pod_cidr = "10.1.0.0/16", service_cidr = "10.96.1.0/24", clusterset_cidr = "10.100.1.0/24", sync = "192.0.2.1:7443", deploy = false },
    { name = "b", region = "rb", zone = "b1", pod_cidr = "10.2.0.0/16", service_cidr = "10.96.2.0/24", clusterset_cidr = "10.100.2.0/24", kubeconfig = "/tmp/b" },
  ]
}

run "each_member_with_a_cluster_is_deployed" {
  command = plan

  assert {
    condition     = keys(terraform_data.deployed) == ["b"]
    error_message = "a member with deploy = false has no cluster to deploy to"
  }
  assert {
    condition     = local.table == "a ra a1 10.1.0.0/16 10.100.1.0/24 192.0.2.1:7443 -\nb rb b1 10.2.0.0/16 10.100.2.0/24 - /tmp/b"
    error_message = "the table that found.sh reads"
  }
}

run "a_member_that_cannot_be_reached" {
  command = plan
  variables {
    members = [{ name = "a", region = "ra", zone = "a1", pod_cidr = "10.1.0.0/16", service_cidr = "10.96.1.0/24", clusterset_cidr = "10.100.1.0/24" }]
  }
  expect_failures = [var.members]
}

run "a_relative_folder" {
  command = plan
  variables { folder = "here" }
  expect_failures = [var.folder]
}
