"""Health probes of addresses and their verdicts: the same for node agents and DNS servers."""
