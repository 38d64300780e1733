"""The networks of the papers as Flax modules."""
