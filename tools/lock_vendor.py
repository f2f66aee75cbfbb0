"""Pin the browser packages: write sitegen/vendor.lock.json from the versions and files below.

    python tools/lock_vendor.py

Asks npm for each tarball, so it needs a network. Read the difference before committing it: from
then on every build trusts these hashes. Then `make third-party`, and look whether a licence text
of sitegen/licences/ changed. The tarballs of onnxruntime-web and web-xgrammar hold no licence:
their texts are those of the Python packages onnxruntime and xgrammar of the same version; the
notices of web-xgrammar are those of what is compiled into it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

LOCK = Path(__file__).parents[1] / "sitegen" / "vendor.lock.json"

# onnxruntime-web's three builds: plain for the CPU, jspi and asyncify (its "webgpu") for the GPU.
# Modules are renamed .js: common servers have no media type for .mjs.
ENTRIES = [f"ort.{build}.min" for build in ("wasm", "jspi", "webgpu")]
STEMS = [f"ort-wasm-simd-threaded{build}" for build in ("", ".jspi", ".asyncify")]
PACKAGES = [
    {
        "name": "onnxruntime-web",
        "version": "1.30.0",
        "licence": "MIT",
        "notices": ["onnxruntime-web.txt", "onnxruntime-web-notices.txt"],
        "files": {f"dist/{name}.mjs": f"onnxruntime-web/{name}.js" for name in ENTRIES + STEMS}
        | {f"dist/{name}.wasm": f"onnxruntime-web/{name}.wasm" for name in STEMS},
    },
    {
        "name": "@huggingface/tokenizers",
        "version": "0.2.0",
        "licence": "Apache-2.0",
        "notices": ["tokenizers.txt"],
        "files": {"dist/tokenizers.min.mjs": "tokenizers/tokenizers.js"},
    },
    {
        "name": "@huggingface/jinja",
        "version": "0.5.11",
        "licence": "MIT",
        "notices": ["jinja.txt"],
        "files": {"dist/index.js": "jinja/jinja.js"},
    },
    {
        "name": "@mlc-ai/web-xgrammar",
        "version": "0.1.27",
        "licence": "Apache-2.0",
        "notices": ["xgrammar.txt", "xgrammar-notices.txt"],
        "files": {"lib/index.js": "xgrammar/xgrammar.js"},
    },
]


def pin(package: dict) -> dict:
    """The package's entry of the lock."""
    with tempfile.TemporaryDirectory() as folder:
        spec = f"{package['name']}@{package['version']}"
        command = ["npm", "pack", spec, "--ignore-scripts", "--loglevel=error"]
        subprocess.run(command, cwd=folder, check=True)
        (tarball,) = Path(folder).glob("*.tgz")
        sha512 = hashlib.sha512(tarball.read_bytes()).digest()
        files = {}
        with tarfile.open(tarball) as archive:
            for path, place in package["files"].items():
                stream = archive.extractfile(f"package/{path}")
                if stream is None:
                    raise SystemExit(f"{spec}: {path} is not a file")
                content = stream.read()
                files[path] = {
                    "place": place,
                    "bytes": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
    return {
        "name": package["name"],
        "version": package["version"],
        "integrity": "sha512-" + base64.b64encode(sha512).decode(),
        "licence": package["licence"],
        "notices": package["notices"],
        "files": files,
    }


if __name__ == "__main__":
    document = {"version": 1, "packages": [pin(package) for package in PACKAGES]}
    LOCK.write_text(json.dumps(document, indent=2) + "\n")
