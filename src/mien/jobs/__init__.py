"""Floor 4: what runs longer than a breath."""
