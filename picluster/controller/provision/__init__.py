"""From a freshly flashed Pi to a node that trains: wheels and packages through this machine, and a playbook."""
