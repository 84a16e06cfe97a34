"""Reports of devices: what each says, signed with its key, about the release that it is to run."""
