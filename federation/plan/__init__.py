"""World -> desired, a function per key. Pure."""
