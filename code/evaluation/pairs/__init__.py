"""What only images of two digits need."""
