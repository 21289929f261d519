"""Provisioning of nodes: wheels and Debian packages by way of this machine, and Ansible's playbooks."""
