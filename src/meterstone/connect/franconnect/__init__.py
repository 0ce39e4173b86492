"""FranConnect: the connector file, and what is odd about its answers."""
