"""Pool.starmap is map for functions of several arguments: results in the order of the inputs.

Run it alone, or in every cell of the lab:

    python scenarios/pool_starmap.py
    lab run pool_starmap

What to expect:

    outcome               grade       why
    in_order=4/4          acceptable  each tuple is one call, and its result keeps its place
    anything else         forbidden   a result was lost, out of place, or of wrong arguments

Each input is a tuple that becomes the arguments of one call. 10 - 3 and 3 - 10 differ, so a
function that is not symmetric shows whether the arguments arrive in their order. starmap_async
gives the same results later: its get() waits for them.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Pool.starmap and starmap_async: tuples as arguments, results in order"
# outcome = 'in_order=(?P<in_order>\d+/\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'in_order=(\d+)/\1'
# grade = "acceptable"
# why = "each tuple is one call, and its result stands where the tuple stood"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a result was lost, out of its place, or came of the wrong arguments"
# ///

import argparse
from multiprocessing import Pool


def subtract(minuend, subtrahend):
    return minuend - subtrahend


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--inputs", type=int, default=50)
    args = parser.parse_args()

    inputs = [(number, number**2) for number in range(args.inputs)]
    expected = [subtract(*pair) for pair in inputs]
    with Pool(args.workers) as pool:
        later = pool.starmap_async(subtract, inputs)
        answers = [pool.starmap(subtract, inputs, chunk_size) for chunk_size in (None, 1, 7)]
        answers.append(later.get())
        pool.close()
        pool.join()
    right = sum(answer == expected for answer in answers)
    print(f"Answers: in_order={right}/{len(answers)}")


if __name__ == "__main__":
    main()
