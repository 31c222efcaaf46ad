"""A supervisor that never serves, and its workers that do: one to a core, all on one listening socket."""

from eyas.serve.processes.supervisor import Supervisor

__all__ = ["Supervisor"]
