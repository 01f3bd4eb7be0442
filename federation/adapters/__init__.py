"""Implementations of the ports: the Kubernetes API, a folder of manifests, SQLite, the clock, and the in-memory twin."""
