"""QuickBooks Online: invoices and costs of the platform operator."""
