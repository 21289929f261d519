"""Pictures of graphs: choice of nodes, their layout, their colours, the figures beside them."""
