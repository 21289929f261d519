"""The page of a run: what was learnt, what held it back, and pictures of both, in one file of HTML."""
