"""One's own graph: read from files of many forms, interpreted, checked, and written as a graph folder."""
