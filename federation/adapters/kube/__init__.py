"""Our own cluster over the Kubernetes API."""
