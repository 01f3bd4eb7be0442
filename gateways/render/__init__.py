"""Pure: node state -> what WireGuard, the kernel, nft and Envoy read. Output is sorted, so equal states render equal."""
