"""Printing: tables, live views, and the words that they share."""
