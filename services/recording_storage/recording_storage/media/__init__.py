"""What audio is by its content, one file for each format."""
