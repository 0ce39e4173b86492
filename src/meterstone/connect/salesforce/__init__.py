"""Salesforce: deals of the platform operator."""
