"""The archive: every event on disk, by scope and hour, exactly once."""
