"""CalibrationService: messages checked and converted, and back."""
