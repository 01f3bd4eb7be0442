"""GSLB and clusterset DNS: what to answer, and the server that answers it."""
