"""Floor 0: the words of the house. Numpy only; no files, no network, no clock."""
