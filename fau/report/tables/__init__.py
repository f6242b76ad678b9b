"""The tables of a report, one file a kind of table."""
