"""How far the cascade, FaceNet and the search of a million are from what this machine can do at most, in one run.

    python benchmarks/limits.py --data DIR [--rounds 7]

The roofs are the fastest of several probes: products and convolutions in ONNX Runtime and numpy's product for arithmetic;
sums, products, maxima and a copy over an array larger than every cache, in one thread and in one for each core, for reading.
The work: the default cascade at 1280 × 720 from 20 pixels, FaceNet's network at batch 32, one query against a million
vectors. Everything takes turns; ratios within a round, medians. Writes benchmarks/results/limits.json and docs/benchmarks/limits.md.
"""

import cProfile
import json
import pstats
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import detectors
from mien.core.vectors import CompactVectors, similarities, unit
from mien.detectors.mtcnn import MtcnnDetector, MtcnnOptions, open_mtcnn
from mien.evaluation.records import Record, installed_versions, this_machine
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings
from mien.zoo.runtime import OnnxNetwork, RuntimeOptions, Workers
from report import arguments, conditions, data_folder, table, write_page, write_records
from search import best, reranked

SIZE, MIN_FACE, BATCH, SHOWN = (1280, 720), 20, 32, 6
TEMPLATES, WIDTH, ATTEMPTS = 1_000_000, 512, 4
SIDES, CONVOLUTIONS = (512, 1024, 2048), ((3, 64, 56), (3, 128, 28), (3, 256, 28), (1, 256, 56), (1, 512, 28))
"""Of the probes: sides of square matrices; side of the kernel, channels in and out, side of the picture."""
WANTED = {"cascade": 6.0, "facenet": 1.6, "exact float32 / float16": 1.5, "compact int8 / float16": 1.5}
READ = {"exact float32": 4, "exact float32 / float16": 2, "compact int8": 1, "compact int8 / float16": 2}
"""Bytes for each number that the limit of a search counts."""
NAMES = {
    "cascade": "the whole cascade, 1280 × 720, from 20 pixels",
    "facenet": f"FaceNet, a face of {BATCH}",
    "exact float32": "exact search, 10⁶ × 512, float32, against reading float32",
    "exact float32 / float16": "exact search, 10⁶ × 512, float32, against reading it in float16",
    "compact int8": "compact search and re-ranking, against reading its int8",
    "compact int8 / float16": "compact search and re-ranking, against reading float16",
}

Probe = Callable[[], Any]


def main() -> None:
    parser = arguments(__doc__ or "", "limits")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = detectors.resized(data_folder(options, "photos"), SIZE, Path(folder))
        record = measured([np.load(file) for file in files], options.rounds, Path(folder))
    write_records([record], options.results)
    write_page(options.page, *page(record))
    print(options.page.read_text(encoding="utf-8"))


def measured(pictures: list[np.ndarray], rounds: int, folder: Path) -> Record:
    house = House(load_settings())
    detector = open_mtcnn(house.weights("mtcnn"), options=MtcnnOptions(min_face=MIN_FACE), runtime=house.runtime)
    (file,) = house.weights("facenet").values()
    network = house.network(file)
    chips = np.random.default_rng(0).standard_normal((BATCH, 3, 160, 160)).astype(np.float32)
    vectors, searches = gallery()
    arithmetic, reading = dict(arithmetic_probes(folder)), dict(reading_probes(vectors))
    work = {"facenet": lambda: network.run(chips)} | searches
    times: dict[str, list[float]] = {name: [] for name in ("cascade", *work)}
    rates: dict[str, list[float]] = {name: [] for name in (*arithmetic, *reading)}
    for _ in range(rounds + 1):
        times["cascade"].append(median(timed(detector.detect, p) for p in pictures))
        for name, call in work.items():
            times[name].append(timed(call) / (BATCH if name == "facenet" else 1))
        for name, (amount, call) in (arithmetic | reading).items():
            rates[name].append(amount / min(timed(call) for _ in range(ATTEMPTS)) / 1e6)
    gflops, gb = (np.max([rates[n] for n in of], axis=0)[1:] for of in (arithmetic, reading))
    giga = {"cascade": (pnet_gflop(), gflops, "cascade"), "facenet": (network_gflop(file), gflops, "facenet")}
    giga |= {n: (TEMPLATES * WIDTH * size / 1e9, gb, n.split()[0]) for n, size in READ.items()}
    took = {name: np.array(times[of][1:]) for name, (_, _, of) in giga.items()}
    limits = {name: amount / roof * 1000 for name, (amount, roof, _) in giga.items()}
    return Record(
        task="limits",
        protocol={
            "size": list(SIZE),
            "min_face": MIN_FACE,
            "pictures": len(pictures),
            "batch": BATCH,
            "templates": TEMPLATES,
            "rounds": rounds,
        },
        subject={"detector": "mtcnn, fast", "network": "facenet"},
        figures={
            "gflop_per_s": {n: max(rates[n]) for n in arithmetic},
            "read_gb_per_s": {n: max(rates[n]) for n in reading},
            "took_ms": {name: float(np.median(took[name])) for name in limits},
            "limit_ms": {name: float(np.median(limits[name])) for name in limits},
            "times_the_limit": {name: float(np.median(took[name] / limits[name])) for name in limits},
            "times_the_fastest": {name: float(np.median(took[name]) / limits[name].min()) for name in limits},
            "cascade_profile": cascade_profile(house, pictures),
            "facenet_profile": network_profile(file, chips[:8], folder),
        },
        machine=this_machine(),
        versions=installed_versions(),
    )


def gallery() -> tuple[np.ndarray, dict[str, Probe]]:
    """A million vectors, and the ways to find the most alike to a query."""
    random = np.random.default_rng(0)
    vectors = np.empty((TEMPLATES, WIDTH), np.float32)
    compact, starts = CompactVectors.empty(TEMPLATES, WIDTH), np.arange(TEMPLATES)
    for rows in np.array_split(starts, 10):
        vectors[rows[0] : rows[-1] + 1] = unit(random.standard_normal((len(rows), WIDTH), np.float32))
        compact.put(rows, vectors[rows[0] : rows[-1] + 1])
    query = unit(vectors[:1] + random.normal(0, 1 / WIDTH**0.5, (1, WIDTH)).astype(np.float32))
    return vectors, {
        "exact": lambda: best(similarities(query, vectors)[0]),
        "compact": lambda: reranked(compact, starts, vectors, query),
    }


def arithmetic_probes(folder: Path) -> Iterator[tuple[str, tuple[float, Probe]]]:
    """By name the operations of a probe and what runs it; all threads of the machine."""
    random = np.random.default_rng(0)
    for side in SIDES:
        a = random.random((side, side), np.float32)
        yield f"numpy {side}", (2 * side**3, lambda a=a: a @ a)
        run = one_node(folder / f"product-{side}.onnx", "MatMul", a, [1, side, side])
        yield f"ONNX Runtime, product {side}", (2 * side**3, lambda run=run, a=a: run(a[None]))
    for kernel, channels, side in CONVOLUTIONS:
        weights = random.random((channels, channels, kernel, kernel), np.float32)
        run = one_node(folder / f"{kernel}-{channels}.onnx", "Conv", weights, [8, channels, side, side])
        picture = random.random((8, channels, side, side), np.float32)
        operations = 2 * 8 * side**2 * weights.size
        name = f"ONNX Runtime, convolution {kernel}×{kernel}, {channels} channels, {side}×{side}"
        yield name, (operations, lambda run=run, picture=picture: run(picture))


def one_node(file: Path, kind: str, weights: np.ndarray, shape: list[int]) -> Callable[[np.ndarray], Any]:
    """A network of one product or convolution with its border, as our networks are run."""
    pads = {"pads": [weights.shape[-1] // 2] * 4} if kind == "Conv" else {}
    node = helper.make_node(kind, ["x", "w"], ["y"], **pads)
    given, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy")
    graph = helper.make_graph([node], "probe", [given], [out], [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return OnnxNetwork(file, RuntimeOptions()).run


def reading_probes(vectors: np.ndarray) -> Iterator[tuple[str, tuple[float, Probe]]]:
    """By name the bytes a probe reads and what runs it."""
    flat, size = vectors.ravel(), vectors.nbytes
    query, room = vectors[0].copy(), np.empty(flat.size // 8, np.float32)
    whole = flat.view(np.int64)
    yield "product with a vector", (size, lambda: vectors @ query)
    for threads in sorted({1, this_machine().cores}):
        pool = ThreadPoolExecutor(threads)
        kinds = {
            "sum": (np.sum, flat),
            "product with itself": (lambda part: part @ part, flat),
            "largest": (np.max, whole),
            "or": (np.bitwise_or.reduce, whole),
        }
        for name, (call, array) in kinds.items():
            parts = np.array_split(array, 8 * threads)
            run = lambda pool=pool, call=call, parts=parts: list(pool.map(call, parts))  # noqa: E731
            yield f"{name}, {threads} thread{'s' if threads > 1 else ''}", (size, run)
    yield "copy, counting what is read", (room.nbytes, lambda: np.copyto(room, flat[: room.size]))


def timed(call, *given) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    call(*given)
    return (time.perf_counter() - started) * 1000


def pnet_gflop() -> float:
    """Giga-operations of P-Net over the pyramid."""
    width, height = SIZE
    factors = detectors.scales(height, width, MtcnnOptions(min_face=MIN_FACE))
    sizes = (detectors.level_size(height, width, factor) for factor in factors)
    return sum(h * w for h, w in sizes) * detectors.PNET_FLOP / 1e9


def network_gflop(file: Path) -> float:
    """Giga-operations of the convolutions and dense layers of an ONNX network for one picture: two for each product."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(file)).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.value_info, *graph.output)}
    weights = {each.name: list(each.dims) for each in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            places = np.prod(shapes[node.output[0]][2:])
            total += 2 * int(np.prod(weights[node.input[1]])) * int(places)
        elif node.op_type in {"Gemm", "MatMul"}:
            total += 2 * int(np.prod(weights[node.input[1]]))
    return total / 1e9


class Watched:
    """A network that counts the seconds it takes."""

    def __init__(self, network: OnnxNetwork) -> None:
        self.network, self.seconds = network, 0.0

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        began = time.perf_counter()
        found = self.network.run(batch)
        self.seconds += time.perf_counter() - began
        return found


def cascade_profile(house: House, pictures: list[np.ndarray]) -> dict[str, float]:
    """Share of the cascade's time in one thread: its networks, and the functions that take most beside them."""
    files = house.weights("mtcnn")
    networks = {n: Watched(OnnxNetwork(files[n], RuntimeOptions(threads=1))) for n in ("pnet", "rnet", "onet")}
    detector = MtcnnDetector(*networks.values(), MtcnnOptions(min_face=MIN_FACE), Workers(1))
    detector.detect(pictures[0])
    for network in networks.values():
        network.seconds = 0.0
    profiler = cProfile.Profile()
    for picture in pictures:
        profiler.runcall(detector.detect, picture)
    stats = pstats.Stats(profiler)
    own = Counter(
        {f"{Path(file).stem}.{name}".strip("~.<>"): entry[2] for (file, _, name), entry in stats.stats.items()}
    )
    inside = max(own, key=own.__getitem__)  # ONNX Runtime's own run: told by network
    beside = {name: seconds for name, seconds in own.most_common(SHOWN + 1) if name != inside}
    taken = {name: network.seconds for name, network in networks.items()} | beside
    return {name: seconds / stats.total_tt for name, seconds in taken.items()}


def network_profile(file: Path, batch: np.ndarray, folder: Path) -> dict[str, float]:
    """Share of a network's time by kind of node, one thread, as ONNX Runtime counts it."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.enable_profiling = True
    settings.profile_file_prefix = str(folder / "profile")
    session = onnxruntime.InferenceSession(str(file), settings, providers=["CPUExecutionProvider"])
    for _ in range(5):
        session.run(None, {session.get_inputs()[0].name: batch})
    taken: Counter[str] = Counter()
    for event in json.loads(Path(session.end_profiling()).read_text(encoding="utf-8")):
        if event["cat"] == "Node" and event["name"].endswith("kernel_time"):
            taken[event["args"]["op_name"]] += event["dur"]
    return {name: us / taken.total() for name, us in taken.most_common(SHOWN)}


def page(record: Record) -> list[str]:
    f = record.figures
    rows = [
        (
            NAMES[n],
            f"{f['took_ms'][n]:.1f}",
            f"{f['limit_ms'][n]:.1f}",
            f"{ratio:.2f}",
            f"{f['times_the_fastest'][n]:.2f}",
            f"{WANTED.get(n, '–')}",
        )
        for n, ratio in f["times_the_limit"].items()
    ]
    product, read = (max(f[k].items(), key=lambda item: item[1]) for k in ("gflop_per_s", "read_gb_per_s"))
    missed = [NAMES[n] for n, most in WANTED.items() if f["times_the_limit"][n] > most]
    return [
        "# How far from the machine's limit",
        (
            f"The fastest of the probes seen in the run: {product[1]:.0f} GFLOP/s ({product[0]}), {read[1]:.0f} GB/s "
            f"({read[0]}). The limit of the cascade is P-Net's arithmetic alone, that of FaceNet its convolutions and dense "
            "layer; that of a search is reading all vectors once. No form of ours holds float16: the exact search reads "
            "float32, the compact one int8, and both stand beside what float16 would take to read. The machine's speed changes "
            "from round to round: a limit is that of the fastest probe in the same round, the ratio the median over the "
            f"{record.protocol['rounds']} rounds; the fastest limit is that of the fastest probe of all."
        ),
        table(["", "ms", "limit, ms", "times the limit", "times the fastest limit", "wanted at most"], rows),
        f"Missed: {'; '.join(missed)}." if missed else "All as wanted.",
        (
            "The vectors searched here are random, and other work runs between two searches; [those made up after LFW](search.md) "
            "are searched one after the other."
        ),
        "Where the cascade's time goes in one thread, its networks and the functions that take most beside them:",
        shares(f["cascade_profile"]),
        "Where FaceNet's time goes in one thread, by kind of node:",
        shares(f["facenet_profile"]),
        f"The probes, the fastest of {(record.protocol['rounds'] + 1) * ATTEMPTS} of each:",
        table(["arithmetic", "GFLOP/s"], ((n, f"{rate:.0f}") for n, rate in f["gflop_per_s"].items())),
        table(["reading", "GB/s"], ((n, f"{rate:.0f}") for n, rate in f["read_gb_per_s"].items())),
        conditions(record),
        "Written by `benchmarks/limits.py`; all figures are in `benchmarks/results/limits.json`.",
    ]


def shares(profile: dict[str, float]) -> str:
    return table(["", "share"], ((f"`{name}`", f"{share:.0%}") for name, share in profile.items()))


if __name__ == "__main__":
    main()
