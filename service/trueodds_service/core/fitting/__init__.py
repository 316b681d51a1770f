"""From items to a calibrator: every method, its arithmetic and the choice among them."""
