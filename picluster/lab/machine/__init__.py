"""Virtual machines of a lab: base file system, disk, identity, environment, boot."""
