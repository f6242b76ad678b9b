"""The synthetic corpus: faces that fau draws itself."""
