"""Health of nodes and links: examined on the spot, judged by pure rules."""
