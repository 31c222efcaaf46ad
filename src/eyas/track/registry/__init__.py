"""A repository of bundles, told to an MLflow model registry. No torch.

repository ─► what is there, live, on trial ─► what the registry lacks ─► a run with the bundle's files ─► a version

The repository stays what counts: nothing is ever read back from the registry but what the mirror has put there.
"""

from eyas.track.registry.mirror import Mirror, Mirrored, follow
from eyas.track.registry.registry import CHALLENGER, CHAMPION, DIGEST, VERSION, Known, Registry

__all__ = ["CHALLENGER", "CHAMPION", "DIGEST", "VERSION", "Known", "Mirror", "Mirrored", "Registry", "follow"]
