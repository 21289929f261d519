"""picluster: a shelf of Raspberry Pis as one machine that trains graph neural networks."""

__version__ = "0.1.0"
