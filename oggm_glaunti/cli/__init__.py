"""The command ``oggm-glaunti``: one module per group of verbs."""
