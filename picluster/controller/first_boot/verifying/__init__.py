"""`picluster cards verify`: a card's boot partition is read back, and what would come of it is told."""
