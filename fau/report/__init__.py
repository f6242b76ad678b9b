"""From run directories to tables, figures and one page that opens offline. No torch anywhere in here."""
