"""Stand-ins for the outside world: a simulated franchise network that knows the truth."""
