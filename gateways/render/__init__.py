"""Pure: node state -> what WireGuard, the kernel, nft and Envoy read. Output is sorted: equal states render equal."""
