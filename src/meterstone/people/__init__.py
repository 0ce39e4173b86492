"""Who may do what: people, how they sign in, and the one place that lets a request through."""
