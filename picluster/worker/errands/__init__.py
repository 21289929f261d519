"""Programs that the controller sends to a node as text, over SSH, to whatever `python3` the node has.

So they need nothing but the standard library of Python 3.9 and each other, and picluster need not be installed there.
"""
