"""The ledger: its signed form, and the rules by which a member is admitted (design section 4)."""
