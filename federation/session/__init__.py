"""The keyed-resource session (snapshot, delta, digest, resume): pure, for all three feeds."""
