"""Steps in the order of their numbers; a released step never changes."""
