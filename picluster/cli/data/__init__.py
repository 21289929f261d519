"""Commands for graph folders: prepare, import, show, draw, remove."""
