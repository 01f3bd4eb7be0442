"""The authenticated channel between our own programs: leaves, the pinned dialler, the session over a stream."""
