"""Implementations of the ports: the Kubernetes API, a folder of manifests, SQLite, the clock, the in-memory twin."""
