"""What a function may be called with: element types, sizes with names, buckets, static leaves."""
