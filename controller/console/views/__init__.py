"""What each page shows, as plain values: from the parts of `Context`, without HTML."""
