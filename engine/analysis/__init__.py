"""What the market means: indicators, features and the regime, computed bar by bar."""
