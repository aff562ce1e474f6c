"""The instrument: bytes to tensors to numbers. No network, no opinion, no terminal."""
