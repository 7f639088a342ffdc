"""Files of images: IDX, .mat, PNG and its like; downloads."""
