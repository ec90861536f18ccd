"""How much VRAM a branch needs."""
