"""int4 rounded for the inputs that a model really has, while it reads what its readers will."""
