"""``python -m meterstone``: the command line."""

from meterstone.cli import main

main()
