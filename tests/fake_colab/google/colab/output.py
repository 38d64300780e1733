"""JAX imports this where it finds itself in Colab; nothing of it is called."""
