"""The kernel behind ports with two verbs, read and apply: WireGuard, link and routes, nft; and their twin in memory."""
