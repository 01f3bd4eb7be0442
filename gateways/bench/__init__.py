"""`isthmus bench`: how much a link carries, and how fast."""
