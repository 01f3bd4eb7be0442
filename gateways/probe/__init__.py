"""What this node sees of its links: today WireGuard's own counters; liveness inside the tunnel comes later."""
