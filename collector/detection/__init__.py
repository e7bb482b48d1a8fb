"""Detection: rules in, events in, matches out. The same engine serves live events, hunts and files.

The door is `load` (rules to a `RuleSet`) and `Engine` (a rule set to matches); `live` fits it to wire events, and
`command` is `lienphong-collector detect`. Importing the package is cheap: pySigma is loaded with `load`.
"""
