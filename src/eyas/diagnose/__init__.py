"""What a model's answers say about the data and about itself. No torch."""
