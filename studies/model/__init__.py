"""What a cell is trained inside: an input layer, recurrent layers, a decoder."""
