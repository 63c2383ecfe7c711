"""The networks of the speed suite in other frameworks, each in an environment of its own."""
