"""The cells of a glacier: grid, terrain, corrector inputs, surfaces."""
