"""Parse and render at the edge: bytes on one side, model values on the other."""
