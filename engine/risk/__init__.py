"""What may be done and how large: gates, sizing, correlation, leverage, breakers."""
