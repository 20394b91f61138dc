from tests.netns.lab import *  # noqa
