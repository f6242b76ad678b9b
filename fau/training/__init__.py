"""Train a fold with Lightning, or take it up where it was interrupted, and write its run directory."""
