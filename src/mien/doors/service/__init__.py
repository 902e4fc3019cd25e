"""The REST service: one router per noun over the same house as the command line."""
