"""Attribution: what made a year's balance, by integrated gradients."""
