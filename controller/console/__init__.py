"""The console: what an operator sees and does in a browser, over the same parts as REST."""
