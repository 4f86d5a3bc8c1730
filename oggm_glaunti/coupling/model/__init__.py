"""What users call: the OGGM mass-balance model, its calibration, gridded balances."""
