"""An HTTP double of the Kubernetes API, for the lab and the tests."""
