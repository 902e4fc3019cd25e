"""Floor 2: folders, annotations, pairs and packs of pictures."""
