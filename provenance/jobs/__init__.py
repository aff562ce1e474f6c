"""Long work in pieces that may fail, hang or crash: none of them stops the others."""
