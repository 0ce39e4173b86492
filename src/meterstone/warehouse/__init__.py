"""Where facts live: one folder an engine, behind one interface."""
