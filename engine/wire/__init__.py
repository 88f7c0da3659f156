"""The hub behind a Unix socket: many screens on one engine, none of which can hold it up."""
