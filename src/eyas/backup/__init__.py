"""A repository and a prediction store, copied while a service serves and writes, and brought back.

repository ─┐              ┌─ repository
            ├─ BACKUP/ ────┤
store ──────┘              └─ store, of the same database or another
"""

from eyas.backup.folder import Backup, open_backup
from eyas.backup.making import make_backup
from eyas.backup.restoring import restore

__all__ = ["Backup", "make_backup", "open_backup", "restore"]
