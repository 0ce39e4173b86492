"""``python -m meterstone``: the command line."""

from meterstone.cli import main

if __name__ == "__main__":  # a process of its own that the demonstration starts imports this too
    main()
