"""Forecasts, anomalies and effects, with the honesty around them: calibration, refusal, record.

The statistics are libraries' (statsforecast, pyfixest); see docs/insight.md.
"""
