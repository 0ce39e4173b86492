"""The questions that are asked once a day; see docs/insight.md."""
