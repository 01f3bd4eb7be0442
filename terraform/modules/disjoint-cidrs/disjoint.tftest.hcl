run "apart" {
  command = plan
  variables { cidrs = { a = "10.1.0.0/16", b = "10.2.0.0/16", c = "192.168.0.0/24", d = "192.168.1.0/24" } }

  assert {
    condition     = length(output.cidrs) == 4
    error_message = "ranges that only touch are apart"
  }
}

run "one_inside_another" {
  command = plan
  variables { cidrs = { pods = "10.0.0.0/8", services = "10.96.0.0/16" } }
  expect_failures = [output.cidrs]
}

run "the_same_twice" {
  command = plan
  variables { cidrs = { a = "10.1.0.0/16", b = "10.1.0.0/16" } }
  expect_failures = [output.cidrs]
}

run "host_bits" {
  command = plan
  variables { cidrs = { a = "10.1.0.1/16" } }
  expect_failures = [var.cidrs]
}

run "ipv6" {
  command = plan
  variables { cidrs = { a = "fd00::/64" } }
  expect_failures = [var.cidrs]
}
