"""Charts: one Altair specification each, drawn as SVG and kept by the hash of its content."""
