"""A whole federation on one machine: namespaces, a WAN, and the programs by their public commands."""
