"""Command-line programs: fau-train, fau-sweep, fau-report, fau-data and others, one file each."""

from fau.cli import _early
from fau.launched import end_with_launcher

end_with_launcher()
_early.listen()
