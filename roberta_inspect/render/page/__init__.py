"""The HTML pages: `parts` is what they share, and each product has one of its own."""
