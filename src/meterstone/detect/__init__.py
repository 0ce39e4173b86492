"""What is wrong now: service level objectives, alerts, incidents, drills, and the state of now."""
