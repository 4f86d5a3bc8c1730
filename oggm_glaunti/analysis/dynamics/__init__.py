"""Ice volume: its derivatives to climate and parameters through OGGM's dynamics."""
