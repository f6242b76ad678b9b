"""A report as a page, as text, as CSV files and in W&B, one file a kind of output."""
