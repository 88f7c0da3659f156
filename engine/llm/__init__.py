"""The language model: client, schemas, strategist."""
