"""Programs that travel to a node and answer there. Standard library only: a node may have bare Python."""
