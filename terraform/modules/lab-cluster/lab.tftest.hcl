variables {
  name   = "us-east"
  folder = "/tmp/lab"
  raises = true
}

run "the_first_member_raises_the_lab" {
  command = plan

  assert {
    condition     = length(terraform_data.lab) == 1
    error_message = "the member with raises must raise it"
  }
}

run "another_member_does_not" {
  command = plan

  variables {
    name   = "us-west"
    lab    = "raised"
    raises = false
  }

  assert {
    condition     = length(terraform_data.lab) == 0 && terraform_data.member.input == "/tmp/lab/us-west/state/api.sock"
    error_message = "a member of a raised lab must only look at its own socket"
  }
}

run "no_such_member" {
  command = plan
  variables { name = "ap-south" }
  expect_failures = [var.name]
}

run "a_relative_folder" {
  command = plan
  variables { folder = "lab" }
  expect_failures = [var.folder]
}

run "a_round_trip_that_is_too_long" {
  command = plan
  variables { rtt_ms = 10001 }
  expect_failures = [var.rtt_ms]
}

run "neither_raises_nor_lab" {
  command = plan
  variables { raises = false }
  expect_failures = [var.lab]
}
