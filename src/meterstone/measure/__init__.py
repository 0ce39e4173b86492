"""Plan, compile, evaluate: from facts to values, verdicts and gates."""
