"""What each dimension of a class capsule does to the decoded image."""
