"""Explain why the winner won by pure functions of the record: during a sweep, after it, or on another machine.

    Record ──tabulated(metric)──► Table ──► importance    a random forest's, in the meaning of Weights & Biases
                                        ├─► correlation   linear, for categories of each level
                                        ├─► variance      main effects and interactions, where the grid is complete
                                        └─► effects       the mean at each value
           ──separation─────────► is the winner more than chance?
           ──fastest_best───────► what more time buys

What cannot be computed is refused as ``UserError``, in words that a page can show.
"""
