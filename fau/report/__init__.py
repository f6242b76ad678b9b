"""Run directories to tables and pages; opens without torch."""
