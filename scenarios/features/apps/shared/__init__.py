"""What the four applications share: data and work that have nothing to do with a framework."""
