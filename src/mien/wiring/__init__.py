"""Floor 5: settings to objects."""
