"""Health, pure: verdicts from probes, damping of flapping, and whose evidence counts."""
