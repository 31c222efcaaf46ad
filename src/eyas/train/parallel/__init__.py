"""Several processes that share a run: who they are, and who starts them."""
