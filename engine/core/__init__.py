"""The shared vocabulary: value types, events, commands, clock, ids, errors, parameters.

Everything several rooms speak of is defined here, so that no room has to import another
one just to name a thing. Nothing in this package touches a network, a disk or a screen,
configuration files excepted.
"""
