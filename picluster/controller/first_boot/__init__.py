"""First boot of new Pis: the files for their SD cards and the inventory that goes with them."""
