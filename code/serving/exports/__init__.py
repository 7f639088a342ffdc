"""The formats of export.py: SUFFIX, PACKAGES and write(function, path), a file for each."""
