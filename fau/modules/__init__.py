"""LightningModules: one step for all stages, one thin file a kind of training."""
