"""First boot of new Pis: files for their SD cards, and the inventory that goes with them."""
