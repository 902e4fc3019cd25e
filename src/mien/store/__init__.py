"""Floor 3: what is remembered. ``gallery.open_gallery`` is the way in."""
