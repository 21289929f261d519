"""Virtual Pis on one Linux machine."""
