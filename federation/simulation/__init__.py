"""The law in a closed loop and virtual time: load, queues, probes, records, grants, shares. Pure."""
