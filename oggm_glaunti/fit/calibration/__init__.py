"""Parameters of one glacier, or common to several, from observations."""
