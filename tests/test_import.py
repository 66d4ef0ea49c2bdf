"""`import lassovae` does no work: it writes nothing, sets nothing, starts no device and says nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

IMPORT_AND_REPORT = """
import json, logging, sys
import jax, flax, optax, orbax.checkpoint
settings = dict(jax.config.values)
handlers = list(logging.getLogger().handlers)
import lassovae
changed = [name for name, value in settings.items() if jax.config.values[name] != value]
report = {
    "settings changed": changed,
    "x64": bool(jax.config.jax_enable_x64),
    "handlers added": len(logging.getLogger().handlers) - len(handlers),
}
jax.config.update("jax_num_cpu_devices", 2)  # raises once any device has been started
json.dump(report, sys.stdout)
"""


def test_import_has_no_effect(tmp_path):
    places = {name: tmp_path / name for name in ("work", "home", "temporary")}
    for place in places.values():
        place.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "JAX_", "MPL"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_AND_REPORT],
        cwd=places["work"],
        env=kept
        | {
            "HOME": str(places["home"]),
            "TMPDIR": str(places["temporary"]),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "JAX_PLATFORMS": "cpu",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout) == {"settings changed": [], "x64": False, "handlers added": 0}
    assert [str(p.relative_to(tmp_path)) for place in places.values() for p in place.rglob("*")] == []
