"""Text that people write: tables and dates, read by one rule wherever they come from."""
