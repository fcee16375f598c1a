"""gitlab.com and instances of one's own, with a personal, group or project token."""
