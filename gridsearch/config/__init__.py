"""The sweep file as one frozen, validated configuration.

sweep_config.py         the whole: SweepConfig
sections.py             one class for each section, with every key and default
search_checks.py        what a search asks of a sweep file beyond what a grid does
toml.py                 files and --set overrides as tables; pydantic's errors as file, key, value, cure
entry_points.py         the user's functions, looked for before anything is trained
kerastuner_hparams.py   the HParams that a build_model(hp) declares itself
"""
