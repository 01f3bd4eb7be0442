"""The aggregated discovery service (delta) towards the node's own Envoy: a pure state machine, and its server."""
