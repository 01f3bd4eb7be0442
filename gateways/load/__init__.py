"""What the node's own traffic is: counted by Envoy, averaged here."""
