"""The pages: one module and one template each; what they share is in `site` and `pieces.html`."""
