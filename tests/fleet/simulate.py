#!/usr/bin/env python3
"""Simulates the build cache of a fleet, in virtual time and with a seed: how often it builds, and how long machines wait.

Each machine runs one of the kernels (the most frequent ones by Zipf's law), upgrades at one moment of the wave, and then
needs some modules. A build takes a minute, more or less, and a fetch 0.3 s. Keys do not influence each other.

  readers   a build service has filled the cache, and machines only read
  writers   machines store what they build
  claims    before a machine builds, it stores a claim; others wait for the result, and ask again after 2, 4, 8 and then
            each 10 s, a quarter more or less (cache_wait)

Usage: tests/fleet/simulate.py [SEED]      prints the table
"""
import collections
import itertools
import random
import sys

MACHINES, KERNELS, MODULES, NEEDED = 100_000, 50, 30, 4
BUILD, SPREAD, FETCH = 60.0, 0.3, 0.3
CLAIMING = 0.05 # from the lookup until others see the claim
WORKERS = 64 # of the build service
HOUR = 3600.0

Figures = collections.namedtuple("Figures", "builds hit_rate hours p99 peak lookups")


def requests_of(wave, chance):
    """The moments at which machines need each key, sorted, and the most of them in one second."""
    weights = list(itertools.accumulate(1 / rank for rank in range(1, KERNELS + 1)))
    found, seconds = collections.defaultdict(list), collections.Counter()
    for kernel in chance.choices(range(KERNELS), cum_weights=weights, k=MACHINES):
        moment = chance.random() * wave
        seconds[int(moment)] += NEEDED
        for module in chance.sample(range(MODULES), NEEDED):
            found[kernel, module].append(moment)
    return [sorted(moments) for moments in found.values()], max(seconds.values())


def duration(chance):
    return BUILD * chance.uniform(1 - SPREAD, 1 + SPREAD)


def wait(moment, stored, chance):
    """Asks until the result is there. Returns: how long that takes, and how often it asks"""
    now, asked = moment, 0
    for pause in itertools.chain((2.0, 4.0, 8.0), itertools.repeat(10.0)):
        now += pause * chance.uniform(0.75, 1.25)
        asked += 1
        if now >= stored:
            return now - moment + FETCH, asked
    return None


def simulate(wave, policy, seed=1):
    chance = random.Random(seed)
    keys, peak = requests_of(wave, chance)
    builds, spent, waits, lookups = 0, 0.0, [], 0
    for moments in keys:
        stored = 0.0 if policy == "readers" else float("inf")
        claimed = float("inf")
        for moment in moments:
            lookups += 1
            if moment >= stored:
                waits.append(FETCH)
            elif policy == "claims" and moment >= claimed:
                waited, asked = wait(moment, stored, chance)
                waits.append(waited)
                lookups += asked
            else:
                time = duration(chance)
                builds, spent = builds + 1, spent + time
                stored, claimed = min(stored, moment + time), min(claimed, moment + CLAIMING)
                waits.append(time)
    waits.sort()
    if policy == "readers":
        spent = sum(duration(chance) for _ in keys)
    return Figures(builds, 1 - builds / len(waits), spent / HOUR, waits[len(waits) * 99 // 100], peak, lookups)


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print("wave      policy    builds  hit rate  hours  p99 wait  peak/s    lookups")
    for wave, policy in itertools.product((12 * HOUR, HOUR, 60.0), ("writers", "claims", "readers")):
        figures = simulate(wave, policy, seed)
        print(f"{wave:6.0f} s  {policy:8} {figures.builds:7}  {figures.hit_rate:8.2%} {figures.hours:6.0f}  {figures.p99:6.1f} s "
              f"{figures.peak:8} {figures.lookups:10}")
    print(f"The build service takes {len(range(KERNELS)) * MODULES * BUILD / WORKERS / 60:.0f} minutes with {WORKERS} workers.")


if __name__ == "__main__":
    main()
