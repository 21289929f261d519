"""A picture of a graph: which nodes, where they lie, their colours, the figures beside them."""
