"""Training of SG-DETR for the default bundle: composed streams, folds, calibration."""
