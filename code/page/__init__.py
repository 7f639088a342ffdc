"""The page in which one looks into a trained network. web/ has what runs in the browser."""
