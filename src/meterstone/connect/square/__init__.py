"""Square: the connector."""
