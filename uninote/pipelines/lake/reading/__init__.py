"""What stages read of a lake: a snapshot of versions, the vectors stored in it, and what changed since another one."""
