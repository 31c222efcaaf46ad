"""What ails a model or its data. No torch."""
