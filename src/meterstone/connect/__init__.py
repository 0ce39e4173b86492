"""How systems are reached: a folder a vendor says what is data, one runtime does it for all."""
