"""What a node agent or DNS server is told on its own socket."""
