"""Images that are made: affine transforms, pairs of digits, glyphs, drawings."""
