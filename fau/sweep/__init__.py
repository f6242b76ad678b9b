"""W&B sweep files to trials, and the local runner."""
