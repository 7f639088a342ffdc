"""What eval.py can do: a file for each mode, found by its name.

run(predictor, dataset, cfg, report) -> the numbers to print, further details for results.json

A number has a name such as success_rate. Names that end with accuracy or rate are shown in per
cent. A mode that compares networks has the numbers of each in a dict of its own, by its name:
{"images": 50, "MINE": {"accuracy": 0.9}, "OTHER": {"accuracy": 0.8}}.

A mode may also have

SETTINGS                      the mode's own flags
NEEDS                         what the network must have beyond scores: a set of "capsules",
                              "decoder", "routing"
COMPARES = True               takes one or several networks, as --ckpt A,B: `run` gets a dict of
                              predictors by name instead of one predictor
check(cfg)                    refuses flags, by an InputError, before anything is loaded
check_networks(loaded, cfg)   refuses networks, before the images are loaded
check_dataset(dataset, cfg)   refuses a dataset, before anything is measured or written
folder(cfg)                   returns the name of a folder in that of the mode, for figures and
                              results.json
"""
