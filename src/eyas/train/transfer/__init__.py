"""Training on a pretrained backbone: its features, computed once and kept, and a dense layer fitted to them."""
