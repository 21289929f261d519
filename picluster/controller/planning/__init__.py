"""Planning: from a request to a graph, a described model and a spec, and from these and the nodes to a plan."""
