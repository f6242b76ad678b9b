"""Command-line programs: fau-train, fau-sweep, fau-report, fau-data."""
