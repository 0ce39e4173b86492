"""Who is told what, when, by which way; delivered through the job queue."""
