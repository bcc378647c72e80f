"""Speed, measured beside what a user would pick instead and against what the machine can do."""

from inception.benchmark.usual_way import import_torchvision as import_torchvision
