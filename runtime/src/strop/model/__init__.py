"""The model that an app holds, and the choice of the variant and engine that run it."""
