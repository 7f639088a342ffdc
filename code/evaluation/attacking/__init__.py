"""The one engine of all gradient attacks."""
