"""Kubernetes objects: typed as the API documents them, and translated to the model."""
