"""What the REST service costs and bears: throughput against the library, and many clients at once.

    python benchmarks/service.py throughput [--rounds 5]
    python benchmarks/service.py load [--clients 200] [--seconds 120]
    python benchmarks/service.py page

Throughput: the same raw bytes (the demo photographs), the same number of working threads, in turns: the library called
directly, and `mien serve` over keep-alive connections on this machine, with and without joining faces of several requests
into one run. Load: clients that ask as fast as they are answered, one in forty pictures a 40-megapixel JPEG; one told 503
waits as Retry-After says. Writes benchmarks/results/service.json and docs/benchmarks/service.md.
"""

import http.client
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from mien.datasets.demo_pictures import demo_pictures
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.media.images import decode_image
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from report import arguments, conditions, read_records, table, write_page, write_records

PACKAGES = ("mien", "numpy", "onnxruntime", "opencv-python-headless", "fastapi", "uvicorn")
PEER = (
    "No peer's server stands beside it, and none was run: among the summaries of PyPI's packages no server for face "
    "recognition was found that brings its weights along (deepface, which has one, fetches them at its first request)."
)


def main() -> None:
    parser = arguments(__doc__ or "", "service")
    parser.add_argument("what", choices=("throughput", "load", "page"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    if options.what == "page":
        write_page(options.page, *page(read_records(options.results)))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MIEN_DATA_DIR"] = folder
        pictures = [path.read_bytes() for path in demo_pictures(load_settings().cache_dir).values()]
        record = throughput(pictures, options.rounds) if options.what == "throughput" else load(pictures, options)
    others = [r for r in read_records(options.results) if r.task != record.task]
    records = sorted([*others, record], key=lambda r: r.task, reverse=True)
    write_records(records, options.results)
    write_page(options.page, *page(records))
    print(options.page.read_text(encoding="utf-8"))


@contextmanager
def served(*words: str):
    """A service in a process of its own: its process and its port."""
    command = [Path(sys.executable).with_name("mien"), "serve", "--port", "0", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            port = int(re.search(r":(\d+);", process.stderr.readline())[1])
            ask(http.client.HTTPConnection("127.0.0.1", port, timeout=300), "GET", "/readyz")
            yield process, port
        finally:
            process.terminate()
            process.communicate()


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None):
    connection.request(method, path, body, {"Content-Type": "image/jpeg"} if body else {})
    response = connection.getresponse()
    return response.status, response.getheader("Retry-After"), response.read()


def throughput(pictures: list[bytes], rounds: int) -> Record:
    """Pictures a second in turns, medians over rounds, and the ratio of each round."""
    house = House(load_settings(threads=1))
    cores = len(os.sched_getaffinity(0))
    many, clients = pictures * 4, 2 * cores  # some wait, so that no working thread does
    runs: dict[str, list[float]] = {"library": [], "service": [], "joined": []}
    computed: dict[str, list[float]] = {"library": [], "service": [], "joined": []}
    spent = []
    with (
        house,
        served("--inference", str(cores), "--batch", "1") as plain,
        served("--inference", str(cores), "--batch", "8") as joined,
    ):
        for number in range(rounds + 1):  # the first one warms up
            print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
            before = time.process_time()
            runs["library"].append(by_library(house, many, cores))
            computed["library"].append(time.process_time() - before)
            for name, (process, port) in (("service", plain), ("joined", joined)):
                before = processor_seconds(process.pid)
                rate, processor = by_service(port, many, clients)
                runs[name].append(rate)
                computed[name].append(processor_seconds(process.pid) - before)
                spent.append(processor)
    ratios = [s / b for s, b in zip(runs["service"][1:], runs["library"][1:], strict=True)]
    brought = [j / s for j, s in zip(runs["joined"][1:], runs["service"][1:], strict=True)]
    return Record(
        task="throughput",
        protocol={
            "pictures": len(many),
            "photographs": "the five of `mien demo`, raw bytes",
            "threads": cores,
            "clients": clients,
            "rounds": rounds,
            "statistic": "medians over rounds, in turns",
        },
        subject={"route": "/v1/identify", "preset": "facenet"},
        figures={
            "library_per_s": round(median(runs["library"][1:]), 2),
            "service_per_s": round(median(runs["service"][1:]), 2),
            "joined_per_s": round(median(runs["joined"][1:]), 2),
            "ratio": round(median(ratios), 3),
            "ratio_least": round(min(ratios), 3),
            "ratio_most": round(max(ratios), 3),
            "joining_brings": round(median(brought), 3),
            **{f"{name}_processor_ms": round(median(s[1:]) / len(many) * 1000) for name, s in computed.items()},
            "client_processor_ms": round(median(spent) / len(many) * 1000, 2),
            "load": round(os.getloadavg()[0], 1),
        },
        machine=this_machine(),
        versions=installed_versions(PACKAGES),
    )


def by_library(house: House, pictures: list[bytes], threads: int) -> float:
    """Pictures a second, decoded and identified in so many threads."""
    read = house.read_options(chip=160)
    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda data: house.recognizer.identify(decode_image(data, options=read)).to_dicts(), pictures))
    return len(pictures) / (time.perf_counter() - begun)


def by_service(port: int, pictures: list[bytes], clients: int) -> tuple[float, float]:
    """Pictures a second over HTTP, and the client's own processor time, seconds."""
    here = threading.local()

    def one(data: bytes) -> float:
        if not hasattr(here, "connection"):
            here.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        before = time.thread_time()
        status, _, _ = ask(here.connection, "POST", "/v1/identify", data)
        assert status == 200
        return time.thread_time() - before

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        processor = sum(pool.map(one, pictures))
    return len(pictures) / (time.perf_counter() - begun), processor


def load(pictures: list[bytes], options) -> Record:
    """Statuses, latencies and memory under many clients."""
    huge = forty_megapixels(pictures[0])
    end = time.monotonic() + options.seconds
    told: list[tuple[int, float]] = []
    failed: Counter[str] = Counter()

    def client(number: int, port: int) -> None:
        chance = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while time.monotonic() < end:
            data = huge if chance.random() < 1 / 40 else chance.choice(pictures)
            begun = time.perf_counter()
            try:
                status, wait, _ = ask(connection, "POST", "/v1/identify", data)
            except (OSError, http.client.HTTPException) as error:
                failed[type(error).__name__] += 1
                connection.close()
                time.sleep(0.5)
                continue
            told.append((status, time.perf_counter() - begun))
            if status == 503:
                time.sleep(float(wait) * chance.uniform(1, 2))

    with served() as (process, port):
        before = resident(process.pid)
        threads = [threading.Thread(target=client, args=(n, port)) for n in range(options.clients)]
        for thread in threads:
            thread.start()
        most = 0.0
        while any(thread.is_alive() for thread in threads):
            most = max(most, resident(process.pid))
            time.sleep(0.25)
        lives = process.poll() is None
        after = resident(process.pid)
    statuses = Counter(status for status, _ in told)
    good = np.array([seconds for status, seconds in told if status == 200]) * 1000
    busy = np.array([seconds for status, seconds in told if status == 503]) * 1000
    return Record(
        task="load",
        protocol={
            "clients": options.clients,
            "seconds": options.seconds,
            "pictures": "the five of `mien demo`; one in forty a JPEG of 40 megapixels",
            "service": "one process, defaults",
        },
        subject={"route": "/v1/identify", "preset": "facenet"},
        figures={
            **{f"status_{status}": count for status, count in sorted(statuses.items())},
            "broken_connections": sum(failed.values()),
            "still_runs": lives,
            **{f"answer_p{p}_ms": round(float(np.percentile(good, p))) for p in (50, 95, 99)},
            **{f"busy_p{p}_ms": round(float(np.percentile(busy, p))) for p in (50, 95, 99) if len(busy)},
            "memory_before_mb": round(before),
            "memory_most_mb": round(most),
            "memory_after_mb": round(after),
            "huge_mb": round(len(huge) / 1e6, 1),
            "load": round(os.getloadavg()[0], 1),
        },
        machine=this_machine(),
        versions=installed_versions(PACKAGES),
    )


def forty_megapixels(data: bytes) -> bytes:
    """A JPEG of 7,303 × 5,477 pixels made of a photograph, with the noise that a camera's picture has."""
    small = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    large = cv2.resize(small, (7303, 5477), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(1).integers(0, 12, large.shape, np.uint8)
    return cv2.imencode(".jpg", cv2.add(large, noise), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def processor_seconds(pid: int) -> float:
    """Processor time of a process so far, of all its threads, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Memory of a process that is in use, MB."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def page(records: list[Record]) -> list[str]:
    parts = [
        "# The REST service",
        "Made by `benchmarks/service.py`; how to use the service: [REST](../how-to/rest.md).",
    ]
    for record in records:
        f, p = record.figures, record.protocol
        if record.task == "throughput":
            ratio = f"{f['ratio']:.0%} ({f['ratio_least']:.0%} … {f['ratio_most']:.0%})"
            brought = f"{f['joining_brings']:.0%} of the service without"
            rows = [
                ["the library, called directly", f"{f['library_per_s']}", "", f"{f['library_processor_ms']}"],
                ["the service", f"{f['service_per_s']}", ratio, f"{f['service_processor_ms']}"],
                [
                    "the service, faces of requests joined",
                    f"{f['joined_per_s']}",
                    brought,
                    f"{f['joined_processor_ms']}",
                ],
            ]
            parts += [
                "## Throughput",
                (
                    f"{p['pictures']} requests a round ({p['photographs']}), {p['threads']} working threads in each, "
                    f"{p['clients']} clients on the same machine (so that some wait and no thread does), {p['rounds']} rounds in turns, medians. The client itself spent "
                    f"{f['client_processor_ms']} ms of processor time a picture, on the same cores."
                ),
                table(
                    [
                        "/v1/identify",
                        "pictures a second",
                        "ratio, round by round (least … most)",
                        "processor time a picture, ms",
                    ],
                    rows,
                ),
                (
                    f"In processor time, which a busy machine leaves alone, the service manages "
                    f"{f['library_processor_ms'] / f['service_processor_ms']:.0%} of the library's pictures. "
                    f"Load of the machine meanwhile: {f['load']}."
                ),
                PEER,
            ]
        else:
            rows = [[name.replace("_", " "), str(value)] for name, value in f.items()]
            parts += [
                "## Many clients",
                (
                    f"{p['clients']} clients for {p['seconds']:g} seconds, each asking again as soon as it is answered, one told 503 "
                    f"after what Retry-After says; {p['pictures']}. {p['service']}."
                ),
                table(["what", "figure"], rows),
            ]
        parts.append(conditions(record))
    return parts


if __name__ == "__main__":
    main()
