"""What the world says: feeds, bars, books and their quality, and what trading costs."""
