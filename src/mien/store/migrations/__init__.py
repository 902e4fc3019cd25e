"""The database's history, one step per module; ``upgrades`` runs them."""
