"""Last known good on disk: a ring by age, checksummed (design section 5)."""
