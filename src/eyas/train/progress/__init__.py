"""Where a run stands: its epochs, its checkpoints, what it writes, and when it stops."""
