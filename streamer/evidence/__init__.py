"""Evidence: what cameras sent is kept as segments, and clips are cut out of them."""
