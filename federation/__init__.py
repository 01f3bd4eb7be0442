"""What every part of Isthmus shares, and the controller of one member."""
