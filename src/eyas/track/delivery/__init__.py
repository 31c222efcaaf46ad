"""Bringing a run's records to the trackers, from a process of its own and without torch."""
