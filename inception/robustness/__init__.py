"""How answers hold when pictures are changed, by an adversary or by what happens to them."""
