"""The agent of one device: it follows a channel, and goes back from what does not work here."""
