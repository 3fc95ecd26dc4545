"""Makes mlrsearch.txt: random trials at a load, and the class that MLRsearch gives the load."""

import random


from MLRsearch.target_spec import TargetSpec
from MLRsearch.target_stat import TargetStat
from MLRsearch.trial_measurement import MeasurementResult
random.seed(9971)
print("# Classifications of MLRsearch 1.2.1 (PyPI), the reference implementation of RFC 9971:")
print("# pip install MLRsearch==1.2.1 && python3 mlrsearch.py > mlrsearch.txt")
print("# trial sum loss_ratio exceed_ratio | seconds:loss ... | class conditional_share")
for case in range(300):
    exceed = random.choice([0.5, 0.5, 0.5, 0.25, 0.0])
    loss = random.choice([0.0, 0.001, 0.01, 0.05])
    trial = random.choice([1.0, 2.0, 10.0])
    total = trial * random.choice([1, 2, 3, 3, 5, 21])
    target = TargetSpec(loss, exceed, None, trial, total, 2, False, None)
    stat = TargetStat(target)
    done = []
    for _ in range(random.randint(0, 12)):
        seconds = random.choice([trial, trial, trial / 2, trial / 4])
        of = 100000
        bad = random.choice([0, 0, round(loss * of), round(loss * of) + 1, round(loss * of / 2), of // 4])
        stat.add(MeasurementResult(seconds, 100.0, offered_count=of, loss_count=bad))
        done.append((seconds, bad / of))
    best, worst = stat.estimates()
    word = {(True, True): "lower", (True, False): "undecided", (False, False): "upper"}[best, worst]
    share = 1.0 - stat.pessimistic_loss_ratio
    print(trial, total, loss, exceed, "|", *(f"{s}:{l}" for s, l in done), "|", word, share)
