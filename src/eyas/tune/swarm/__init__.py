"""The swarm: particles over mixed spaces that are asked for points and told their values. NumPy alone."""
