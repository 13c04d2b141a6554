"""Every figure that the README quotes, each by one command; `make bench` runs them all.

    python -m benchmarks               all of them, a few minutes
    python -m benchmarks overhead      one

Machines are noisy: what is printed is the median of several runs, with the lowest and the highest beside it.
"""
