"""What needs the extra: architectures without a family, traced by optimum, and slow tokenizers."""
