"""Take a lab down from what lab.json says, whoever raised it and however that ended."""

import shutil
from pathlib import Path

from federation.lab import netns, process
from federation.lab.inside import command, namespaces, pids_in
from federation.lab.state import FILE, HOLDER, Lab, load

UAPI = Path("/run/wireguard")


def take_down(directory: Path, keep_logs: bool = False) -> Lab:
    """End every process, remove every namespace and the folder (its logs stay with `keep_logs`); LabError
    when none is there.
    """
    lab = load(directory)
    process.end(lab.programs.values(), namespaces(netns.prefix(lab.lab)))
    netns.drop_network(lab.lab)
    _remove_uapi()
    _remove_folder(lab.path, keep_logs)
    return lab


def _remove_uapi() -> None:
    """The empty mount point that the members' own /run/wireguard lie over, unless another lab needs it."""
    if not namespaces("ist-"):
        try:
            UAPI.rmdir()
        except OSError:
            pass


def _remove_folder(folder: Path, keep_logs: bool) -> None:
    for entry in folder.iterdir():
        if entry.name in (FILE, HOLDER) or (keep_logs and entry.name == "log"):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (folder / FILE).unlink()
    if not keep_logs and not (folder / HOLDER).exists():
        folder.rmdir()


def leftovers(lab: Lab) -> list[str]:
    """What of this lab can still be found on the machine, one line each; [] is what `down` promises."""
    spaces = namespaces(netns.prefix(lab.lab))
    found = [f"namespace {name}" for name in spaces]
    found += [f"process {pid} in {name}" for pid, name in pids_in(spaces).items()]
    found += [f"process {name} ({one.pid})" for name, one in lab.programs.items() if process.alive(one)]
    found += [f"{path}" for path in netns.ETC_NETNS.glob(f"{netns.prefix(lab.lab)}*")]
    kept = lab.path.exists() and not (lab.path / HOLDER).exists()
    return found + ([f"folder {lab.path}"] if kept else [])


def marks() -> dict[str, list[str]]:
    """What a lab could leave on the machine itself: devices, routes, nft tables, WireGuard's sockets."""
    return {
        "devices": sorted(line.split()[1] for line in command("ip", "-o", "link").splitlines()),
        "routes": sorted(command("ip", "route", "show", "table", "all").splitlines()),
        "nft tables": sorted(command("nft", "list", "tables").splitlines()),
        "WireGuard sockets": sorted(path.name for path in UAPI.glob("*")),
    }
