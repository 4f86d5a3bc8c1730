"""Where to measure next: what one more stake or snow pit would tell."""
