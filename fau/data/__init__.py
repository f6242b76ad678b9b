"""Folds, sampling, augmentation and the one LightningDataModule."""
