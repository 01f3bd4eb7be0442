"""Sessions with peers and with our own agents; records signed, verified and refused (design section 5)."""
