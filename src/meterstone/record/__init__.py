"""How data gets in and stays: landing log, formats, mapping to facts, HTTP receiver, rebuild."""
