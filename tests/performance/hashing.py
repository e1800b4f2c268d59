"""`python -m performance.hashing SECONDS`: verifies a password over and over with auth's hasher; prints hashes/s."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from auth import password as passwords


def main() -> None:
    seconds = float(sys.argv[1])
    hasher = passwords._argon2
    stored = hasher.hash("a guest's own words")
    began = time.perf_counter()

    def until_over() -> int:
        count = 0
        while time.perf_counter() - began < seconds:
            hasher.verify(stored, "a guest's own words")
            count += 1
        return count

    with ThreadPoolExecutor(passwords._WORKERS) as threads:
        jobs = [threads.submit(until_over) for _ in range(passwords._WORKERS)]
        print(sum(job.result() for job in jobs) / (time.perf_counter() - began))


if __name__ == "__main__":
    main()
