"""Readers of corpora as their owners deliver them: one file each, from a raw tree to rows."""
