"""The envelope to play with: any commands and readings from a file, and what it says to each."""
