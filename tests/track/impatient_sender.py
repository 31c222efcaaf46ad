"""The sender's process with less patience for a server, so that a test outlasts it in seconds."""

from __future__ import annotations

import sys
from pathlib import Path

from eyas.track.delivery import sender

PATIENCE = 7.0

if __name__ == "__main__":
    sender.REMOTE = PATIENCE
    sys.exit(sender.main(Path(sys.argv[1]), sys.argv[2]))
