"""The demo: a small convolutional network learns handwritten digits in one decorated train step.

``tracegraph demo`` runs it. The files here are written as a user would write them and count as user
code: the locations in the graphs point at their lines.
"""
