"""Watching the predictions of a service while it answers, in a process of its own."""
