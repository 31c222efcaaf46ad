"""A supervisor that never serves, and its workers that do: one to a core, all on the same listening sockets."""

from eyas.serve.processes.supervisor import Supervisor

__all__ = ["Supervisor"]
