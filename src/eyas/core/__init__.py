"""What every room stands on: errors, configuration, files, the terminal, the machine. Standard library first."""
