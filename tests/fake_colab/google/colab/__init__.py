"""What the notebooks use of Colab's own module, which nobody can install elsewhere."""
