"""Planning: from a request to a spec, and from nodes and a described model to a plan. Pure."""
