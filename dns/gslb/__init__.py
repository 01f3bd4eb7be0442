"""GSLB DNS."""
