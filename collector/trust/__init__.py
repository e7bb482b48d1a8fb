"""Keys and certificates: who may speak for the product, and the one process that signs."""
