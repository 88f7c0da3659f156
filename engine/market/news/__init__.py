"""What strangers say: headlines of news feeds, fetched, read and recorded."""
