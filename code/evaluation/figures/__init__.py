"""How figures look: style, sheets of images, charts."""
