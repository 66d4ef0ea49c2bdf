"""What stands at the end of help texts: a command that works, and what to type next."""

from __future__ import annotations

WALK = """
From nothing to a report:
  lassovae simulate --out demo                     a study to try things on (or write study.csv for your own recordings)
  lassovae check demo/study.csv                    can it be trained, is anything wrong with it, what could it show
  lassovae fit demo/study.csv --out demo_run       train
  lassovae analyse demo_run                        test and map
  lassovae report demo_run                         write demo_run/report.html

study.csv has one line a recording, paths relative to it:
  recording,condition,block
  mouse1_day1.tif,familiar,1
  mouse1_day2.tif,novel,2
"""
EXITS = """Exit status: 0 done, 1 the computation failed, 2 bad input; stopped by 130 Ctrl-C (SIGINT), 143 SIGTERM: a
training saves the step it is at first, and a second signal ends it at once.
"""
EXAMPLES = {
    "simulate": """
Example:
  lassovae simulate --out demo --preset smoke      seconds; then: lassovae check demo/study.csv
  lassovae simulate --out none --contrast 0        conditions do not differ: every finding is false
""",
    "check": """
Example:
  lassovae check demo/study.csv
  lassovae check demo/study.csv --preset quick --preprocess.registration rigid
Exit status: 0 it can be trained (look at the warnings all the same), 2 it cannot.
""",
    "fit": """
Example:
  lassovae fit demo/study.csv --out demo_run --preset smoke      seconds; then: lassovae analyse demo_run
  lassovae fit demo/study.csv --out other --config demo_run/config.json --lam 0.01
  lassovae fit demo/study.csv --out demo_run --preset smoke --resume      after an interruption
""",
    "analyse": """
Example:
  lassovae analyse demo_run                        then: lassovae report demo_run
  lassovae analyse demo_run --json                 for programs
""",
    "report": """
Example:
  lassovae report demo_run                         then open demo_run/report.html in a browser
""",
    "doctor": """
Example:
  lassovae doctor                                  paste what it says into a bug report
""",
    "design": """
Example:
  lassovae design plan.csv --needed-for 1.5        recordings need not exist yet
""",
}
