"""The certificates of the identities that this node acts as."""
