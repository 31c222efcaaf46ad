"""A new version takes over by degrees, is watched, and is taken back where it is worse. NumPy only."""
