"""The benchmark: `python -m tests.bench` prints tables, every figure measured in one run.

Ratios count, not times: contestants take turns in rounds (A B C A B C …) and the quietest rounds
are compared, because a shared machine is slow for seconds at a time. It asserts nothing; a figure
that was asked for stands beside the measured one.
"""
