"""Water of a glacier's runs, day by day: by height, on the areas of a run, by place."""
