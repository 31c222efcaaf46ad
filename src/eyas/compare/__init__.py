"""Many trainings, one answer: arms that are trained for the same seeds, and what the difference between them supports.

plan ─► jobs (arm × seed) ─► a pool of processes ─► ordinary run folders ─► results ─► statistics ─► conclusion
"""
