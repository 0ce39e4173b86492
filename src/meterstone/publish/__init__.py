"""The faces: what people see of a scorecard, in the terminal and as pages."""
