"""The controller's HTTP surface: health, metrics, status and explain."""
