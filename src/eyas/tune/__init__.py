"""Tuning: a search space, a particle swarm that asks and is told, and studies that train what it asks for."""
