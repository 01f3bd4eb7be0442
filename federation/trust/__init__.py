"""Anchors, the signer process and the issuing of leaves (design section 4)."""
