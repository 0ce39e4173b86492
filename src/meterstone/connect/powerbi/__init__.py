"""Power BI: a table of ours as a push dataset."""
