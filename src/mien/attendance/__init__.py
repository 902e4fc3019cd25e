"""Floor 3: what a sighting means. ``book.keep`` makes the register; ``sinks`` write it to files."""
