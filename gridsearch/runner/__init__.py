"""Run a sweep: what is left to do, the loop that does it, and what stays on disk afterwards.

sweep.py          puts a sweep together: data, record, strategy, executor, writers
pictures.py       its pictures: inspected, fingerprinted, decoded
runner.py         the only loop
session_book.py   the way of a session through record and writers
plan.py           what is left to do, and the queue of sessions that wait
alike.py          a mistake that fails every trial in the same way
deadlines.py      timeouts, stalls, and what counts during a shutdown
paused.py         trials that may resume from a checkpoint
retention.py      which models and checkpoints stay
rerun.py          trains a recorded session again
"""
