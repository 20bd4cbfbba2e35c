"""What the tasks are made of: the order of examples, padding, streams and windows of text, options."""
